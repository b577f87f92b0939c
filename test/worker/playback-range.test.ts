import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentRange, parseRange } from '../../worker/playback/range.ts';

const SIZES = [0, 1, 1000, 64 * 1024 + 1];

/** The RFC's words, byte by byte: which positions of the object a single valid range-spec names. */
function positionsOf(first: number | undefined, last: number | undefined, sizeBytes: number): number[] {
  const positions: number[] = [];
  for (let position = 0; position < sizeBytes; position++) {
    if (
      first === undefined
        ? position >= sizeBytes - last!
        : position >= first && position <= (last ?? position)
    ) {
      positions.push(position);
    }
  }
  return positions;
}

describe('parseRange', () => {
  test.each(SIZES)('names exactly the bytes the RFC names, for an object of %i bytes', (sizeBytes) => {
    const edges = [0, 1, sizeBytes - 2, sizeBytes - 1, sizeBytes, sizeBytes + 1].filter(
      (value) => value >= 0,
    );
    const place = fc.oneof(fc.constantFrom(...edges), fc.nat({ max: sizeBytes * 2 + 2 }));
    const spec = fc.oneof(
      fc.record({ first: place, last: place }),
      fc.record({ first: place, last: fc.constant(undefined) }),
      fc.record({ first: fc.constant(undefined), last: place }),
    );
    fc.assert(
      fc.property(spec, ({ first, last }) => {
        const header = `bytes=${first ?? ''}-${last ?? ''}`;
        const answer = parseRange(header, sizeBytes);
        if (first !== undefined && last !== undefined && last < first) {
          expect(answer).toBe('whole');
          return;
        }
        const positions = positionsOf(first, last, sizeBytes);
        if (positions.length > 0) {
          expect(answer).toEqual({ offset: positions[0], length: positions.length });
        } else {
          // Nothing is named: only a suffix of an empty object counts as satisfied.
          expect(answer).toBe(first === undefined && last! > 0 ? 'whole' : 'unsatisfiable');
        }
      }),
      { seed: 2026, numRuns: sizeBytes > 10_000 ? 60 : 300 },
    );
  });

  test.each([
    ['nothing', null],
    ['another unit', 'items=0-5'],
    ['no dash', 'bytes=5'],
    ['no numbers', 'bytes=-'],
    ['letters', 'bytes=a-b'],
    ['a sign', 'bytes=+1-5'],
    ['a fraction', 'bytes=0-5.5'],
    ['hexadecimal', 'bytes=0x0-0x5'],
    ['a blank inside', 'bytes=0 - 5'],
    ['an inverted range', 'bytes=5-2'],
    ['no range at all', 'bytes=,'],
    ['two ranges', 'bytes=0-1,4-5'],
    ['a text around it', 'xbytes=0-5'],
  ])('ignores a header with %s', (_what, header) => {
    expect(parseRange(header, 1000)).toBe('whole');
  });

  test.each(['bytes=0-5', 'BYTES=0-5', 'bytes= 0-5 ', 'bytes=,0-5,', 'bytes=000-005'])(
    'takes %j for the first six bytes',
    (header) => {
      expect(parseRange(header, 1000)).toEqual({ offset: 0, length: 6 });
    },
  );

  test('clips numbers beyond what a double holds', () => {
    expect(parseRange('bytes=990-99999999999999999999999', 1000)).toEqual({ offset: 990, length: 10 });
    expect(parseRange('bytes=99999999999999999999999-', 1000)).toBe('unsatisfiable');
  });

  test('prints the last byte as an inclusive position', () => {
    expect(contentRange({ offset: 0, length: 1 }, 1)).toBe('bytes 0-0/1');
    expect(contentRange({ offset: 10, length: 90 }, 100)).toBe('bytes 10-99/100');
  });
});
