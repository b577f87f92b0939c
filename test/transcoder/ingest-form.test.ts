import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AppError, isErrorCode } from '../../shared/errors.ts';
import { type FormEvent, FormParser, formBoundary } from '../../shared/multipart-form.ts';
import { type FormPart, formOf, joined, text } from '../support/legacy-form.ts';
import { tried } from '../support/properties.ts';

type Read = { name: string; filename?: string; bytes: Uint8Array };

/** The parts of a body that comes in these pieces; the last one must have ended. */
function read(boundary: string, pieces: Uint8Array[]): Read[] {
  const parser = new FormParser(boundary);
  const parts: Read[] = [];
  let hasEnded = false;
  const take = (event: FormEvent) => {
    expect(hasEnded).toBe(false);
    if (event.type === 'part') {
      const { type: _, ...part } = event;
      parts.push({ ...part, bytes: new Uint8Array(0) });
    } else if (event.type === 'data') {
      parts.at(-1)!.bytes = joined([parts.at(-1)!.bytes, event.bytes]);
    } else hasEnded = true;
  };
  for (const piece of pieces) for (const event of parser.feed(piece)) take(event);
  parser.finish();
  return parts;
}

function cutAt(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    const { code } = error as AppError;
    expect(isErrorCode(code)).toBe(true);
    return code;
  }
}

const BOUNDARY = 'xyz';

/** Bytes that are full of what a delimiter is made of. */
const tricky = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom(
          '\r',
          '\n',
          '\r\n',
          '--',
          '\r\n--',
          '\r\n--x',
          '\r\n--xy',
          '\r\n--xyzz',
          '\r\n--xyz-',
          '--xyz',
          '\r\n--xyz x',
        )
        .map(text),
    ),
    { maxLength: 12 },
  )
  .map(joined)
  // A line of its own that is the delimiter ends the part, whoever meant it otherwise.
  .filter(
    (bytes) =>
      !/\r\n--xyz(--|[ \t]*\r\n|[ \t]*$|-$|[ \t]*\r$)/.test(
        new TextDecoder('latin1').decode(joined([bytes, text('\r\n')])),
      ),
  );

const part: fc.Arbitrary<FormPart> = fc.oneof(
  fc.record({
    name: fc.constantFrom('video', 'content_id', 'ä b'),
    filename: fc.constantFrom('', 'a.mp4', 'ü.mp4'),
    bytes: tricky,
  }),
  fc.record({
    name: fc.constantFrom('content_type', 'x'),
    value: fc.string({ maxLength: 30 }).filter((value) => !value.includes('\r')),
  }),
);

describe('a form in pieces', () => {
  it('has the same parts however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        fc.constantFrom('', '\r\n'),
        fc.constantFrom('', '\r\nepilogue', '\r\n--xyz\r\n'),
        (parts, cuts, preamble, epilogue) => {
          const body = joined([text(preamble), formOf(parts, BOUNDARY).body.slice(0, -2), text(epilogue)]);
          const wanted = parts.map((one) =>
            'bytes' in one
              ? { name: one.name, filename: one.filename, bytes: one.bytes }
              : { name: one.name, bytes: text(one.value) },
          );
          expect(read(BOUNDARY, cutAt(body, cuts))).toEqual(
            wanted.map((one) => ({ ...one, bytes: new Uint8Array(one.bytes) })),
          );
        },
      ),
      tried(1000),
    );
  });

  it('has the same parts byte by byte', () => {
    const body = formOf(
      [{ name: 'video', filename: 'a.mp4', bytes: text('\r\n--xy\r\n--xyz-\r\r\n\r\n') }],
      BOUNDARY,
    ).body;
    expect(
      read(
        BOUNDARY,
        [...body].map((byte) => new Uint8Array([byte])),
      ),
    ).toEqual(read(BOUNDARY, [body]));
    expect(read(BOUNDARY, [body])[0]!.bytes).toEqual(text('\r\n--xy\r\n--xyz-\r\r\n\r\n'));
  });

  it('is truncated or malformed wherever it ends too early, and never read as whole', () => {
    const { body } = formOf(
      [
        { name: 'video', filename: 'a.mp4', bytes: text('bytes') },
        { name: 'id', value: '1' },
      ],
      BOUNDARY,
    );
    // Without the last line's end it is whole already.
    for (let length = 0; length < body.length - 2; length += 1) {
      const wanted = length < `--${BOUNDARY}\r\n`.length ? 'form_malformed' : 'form_truncated';
      expect([length, codeOf(() => read(BOUNDARY, [body.slice(0, length)]))]).toEqual([length, wanted]);
    }
    expect(read(BOUNDARY, [body.slice(0, -2)])).toHaveLength(2);
  });

  it('reads rubbish without any other error than its own', () => {
    fc.assert(
      fc.property(tricky, fc.array(fc.nat(), { maxLength: 9 }), (bytes, cuts) => {
        const body = joined([text(`--${BOUNDARY}\r\n`), bytes]);
        expect(['form_malformed', 'form_truncated']).toContain(
          codeOf(() => read(BOUNDARY, cutAt(body, cuts))),
        );
      }),
      tried(500),
    );
  });

  it('holds no more than the headers of a part, whatever comes', () => {
    const parser = new FormParser(BOUNDARY);
    const endless = function* () {
      yield text(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="`);
      for (let count = 0; count < 1000; count += 1) yield text('a'.repeat(100));
    };
    expect(codeOf(() => [...endless()].forEach((piece) => void [...parser.feed(piece)]))).toBe(
      'form_malformed',
    );
  });
});

describe('the headers of a part', () => {
  const disposition = (value: string, more = '') =>
    read(BOUNDARY, [text(`--xyz\r\nContent-Disposition: ${value}\r\n${more}\r\nx\r\n--xyz--`)])[0];

  it.each([
    ['form-data; name=video; filename=clip.mp4', 'video', 'clip.mp4'],
    ['form-data; name="video"; filename="a \\"b\\" c.mp4"', 'video', 'a "b" c.mp4'],
    ['form-data; name="video"; filename="a %22b%22.mp4"', 'video', 'a "b".mp4'],
    ['Form-Data;name="video";filename="a;b=c.mp4"', 'video', 'a;b=c.mp4'],
    ['form-data; name="video"; filename="C:\\clips\\a.mp4"', 'video', 'C:\\clips\\a.mp4'],
    ['form-data; filename="x.mp4"; name="video"', 'video', 'x.mp4'],
    ['form-data; name="video"; filename=""', 'video', ''],
    ['form-data; name="content_id"', 'content_id', undefined],
  ])('%s', (value, name, filename) => {
    expect(disposition(value)).toEqual({
      name,
      ...(filename !== undefined && { filename }),
      bytes: text('x'),
    });
  });

  it.each([
    ['attachment; name="video"'],
    ['form-data'],
    ['form-data; name=""'],
    [`form-data; name="${'n'.repeat(129)}"`],
    ['form-data; name="video"', 'Content-Transfer-Encoding: quoted-printable\r\n'],
    ['form-data; name="video"', 'no header\r\n'],
  ])('refuses %s %s', (value, more = '') => {
    expect(codeOf(() => disposition(value, more))).toBe('form_malformed');
  });

  it('takes a name of 128 characters, and encodings that change nothing', () => {
    expect(
      disposition(`form-data; name="${'n'.repeat(128)}"`, 'Content-Transfer-Encoding: binary\r\n')?.name,
    ).toHaveLength(128);
  });
});

describe('the boundary', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['multipart/form-data; charset=utf-8; boundary="a b:c"', 'a b:c'],
    ['Multipart/Form-Data;BOUNDARY=----WebKitFormBoundaryX', '----WebKitFormBoundaryX'],
  ])('of %s', (contentType, boundary) => {
    expect(formBoundary(contentType)).toBe(boundary);
  });

  it.each([
    ['multipart/mixed; boundary=abc', 'upload_content_type_wrong'],
    [undefined, 'upload_content_type_wrong'],
    ['multipart/form-data', 'form_malformed'],
    ['multipart/form-data; boundary=', 'form_malformed'],
    [`multipart/form-data; boundary=${'b'.repeat(71)}`, 'form_malformed'],
    ['multipart/form-data; boundary="ab\u0000"', 'form_malformed'],
  ])('is not in %s', (contentType, code) => {
    expect(codeOf(() => formBoundary(contentType))).toBe(code);
  });
});
