import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pickRungs } from '../../shared/ladder.ts';
import { tried } from '../support/properties.ts';

const names = (width: number, height: number) => pickRungs({ width, height }).map(({ name }) => name);

describe('picking rungs', () => {
  it.each([
    [1920, 1080, ['240p', '360p', '480p', '720p', '1080p']],
    [1080, 1920, ['240p', '360p', '480p', '720p', '1080p']],
    [3840, 2160, ['240p', '360p', '480p', '720p', '1080p', '1440p', '2160p']],
    [7680, 4320, ['240p', '360p', '480p', '720p', '1080p', '1440p', '2160p']],
    [1920, 800, ['240p', '360p', '480p', '800p']],
    [1280, 960, ['240p', '360p', '480p', '720p', '960p']],
    [320, 180, ['180p']],
    [162, 122, ['122p']],
    [480, 270, ['270p']],
  ])('gives %ix%i the rungs %j', (width, height, rungs) => {
    expect(names(width, height)).toEqual(rungs);
  });

  it('turns portrait pictures with their source', () => {
    expect(pickRungs({ width: 720, height: 1280 })[0]).toMatchObject({
      width: 240,
      height: 426,
      name: '240p',
    });
  });

  it('tells two rows apart that are next to each other, though scaling to an odd size falls short of it', () => {
    const rows = [959, 958].map((shortSidePixels) => ({ shortSidePixels, maxBitrateBps: 100_000 }));
    expect(pickRungs({ width: 1639, height: 1639 }, rows).map(({ name }) => name)).toEqual(['958p', '960p']);
  });

  it('interpolates the cap of a size between two rows by pixels', () => {
    const top = pickRungs({ width: 1920, height: 800 }).at(-1)!;
    expect(top.maxBitrateBps).toBeGreaterThan(2_800_000);
    expect(top.maxBitrateBps).toBeLessThan(5_000_000);
  });

  it('makes even, ascending, differently named rungs that are never above the source', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 8192 }),
        fc.integer({ min: 16, max: 4320 }),
        fc.array(
          fc.record({
            shortSidePixels: fc.integer({ min: 16, max: 4320 }),
            maxBitrateBps: fc.constant(100_000),
          }),
          {
            minLength: 1,
            maxLength: 10,
          },
        ),
        (width, height, ladder) => {
          const rungs = pickRungs({ width, height }, ladder);
          expect(rungs.length).toBeGreaterThan(0);
          expect(new Set(rungs.map(({ name }) => name)).size).toBe(rungs.length);
          let below = 0;
          for (const rung of rungs) {
            expect((rung.width % 2) + (rung.height % 2)).toBe(0);
            expect(Math.min(rung.width, rung.height)).toBeLessThanOrEqual(Math.min(width, height) + 1);
            expect(rung.width * rung.height).toBeGreaterThan(below);
            below = rung.width * rung.height;
          }
        },
      ),
      tried(1000),
    );
  });
});
