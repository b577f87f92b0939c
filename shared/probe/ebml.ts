// EBML elements (RFC 8794), the building blocks of Matroska and WebM.
import type { ByteSource } from './byte-source.ts';

/** `body` and `end` are offsets; the end of an unsized element means nothing. */
export type Element = { id: number; body: number; end: number; isSized: boolean };

export async function elementAt(source: ByteSource, offset: number): Promise<Element | undefined> {
  if (offset < 0 || offset + 2 > source.sizeBytes) return undefined;
  const head = await source.read(offset, Math.min(12, source.sizeBytes - offset));
  const element = parseElement(head, 0);
  return element && { ...element, body: offset + element.body, end: offset + element.end };
}

/** An EBML element header (RFC 8794): id and size are variable-length integers. */
export function parseElement(bytes: Uint8Array, at: number): Element | undefined {
  const idLength = Math.clz32(bytes[at] ?? 0) - 23;
  if (idLength > 4) return undefined;
  const sizeAt = at + idLength;
  const sizeLength = Math.clz32(bytes[sizeAt] ?? 0) - 23;
  const body = sizeAt + sizeLength;
  if (sizeLength > 8 || body > bytes.length) return undefined;
  const id = uint(bytes.subarray(at, sizeAt));
  const digits = bytes.slice(sizeAt, body);
  digits[0]! &= 0xff >> sizeLength; // the leading one only tells the length
  const size = uint(digits);
  const isSized = size < 2 ** (7 * sizeLength) - 1; // all ones: length unknown
  return { id, body, end: body + size, isSized };
}

export function uint(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}
