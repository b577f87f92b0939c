// Range requests, RFC 9110 §14. Ours because R2's own parsing answers wrong ranges with the whole object.

/** A slice of an object: both in bytes, inside the object, never empty. */
export type ByteRange = { offset: number; length: number };

/**
 * What a `Range` header asks of an object of `sizeBytes`. `whole` stands for every header a server may or must
 * ignore: absent, another unit, malformed, or more than one range (we do not write multipart/byteranges).
 */
export function parseRange(header: string | null, sizeBytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const set = /^bytes=(.*)$/i.exec(header ?? '')?.[1];
  if (set === undefined) return 'whole';
  // A list may carry empty elements and blanks around its commas (RFC 9110 §5.6.1.2).
  const specs = set
    .split(',')
    .map((spec) => spec.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((spec) => spec !== '');
  const spec = specs.length === 1 ? /^(\d*)-(\d*)$/.exec(specs[0]!) : null;
  if (!spec) return 'whole';
  const [, first = '', last = ''] = spec;
  if (first === '') return last === '' ? 'whole' : suffixRange(Number(last), sizeBytes);
  return fromFirst(Number(first), last === '' ? Number.POSITIVE_INFINITY : Number(last), sizeBytes);
}

/** The value of Content-Range on a 206. */
export function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.offset}-${range.offset + range.length - 1}/${sizeBytes}`;
}

function suffixRange(suffixBytes: number, sizeBytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  if (suffixBytes === 0) return 'unsatisfiable';
  // Satisfiable by the RFC, yet no Content-Range can name nothing: the whole of it is the honest answer.
  if (sizeBytes === 0) return 'whole';
  const length = Math.min(suffixBytes, sizeBytes);
  return { offset: sizeBytes - length, length };
}

function fromFirst(first: number, last: number, sizeBytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  if (last < first) return 'whole';
  if (first >= sizeBytes) return 'unsatisfiable';
  return { offset: first, length: Math.min(last, sizeBytes - 1) - first + 1 };
}
