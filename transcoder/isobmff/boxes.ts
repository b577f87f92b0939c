// Bounds-checked reading and writing of ISO base media file boxes (ISO/IEC 14496-12 §4.2). Nesting is bounded by the paths
// callers ask for; no box is followed on its own say-so.
import { AppError } from '../../shared/errors.ts';

export type Box = { type: string; start: number; bodyStart: number; end: number };
export type BoxHeader = { type: string; headerBytes: number; sizeBytes: number };

export const BOX_HEADER_BYTES = 8;
export const LARGE_BOX_HEADER_BYTES = 16;
/** Boxes in one parent; what we write has a dozen. */
const MAX_SIBLINGS = 4096;

/** What our own encoder wrote, or what is stored, is not what it must be. */
export function malformed(detail: string): AppError {
  return new AppError('verification_failed', { detail });
}

/** Reads a box header at `offset`; undefined while fewer bytes are there than the header takes. */
export function readBoxHeader(bytes: Uint8Array, offset: number): BoxHeader | undefined {
  if (offset + BOX_HEADER_BYTES > bytes.length) return undefined;
  const view = viewOf(bytes);
  const type = fourCharacters(bytes, offset + 4);
  const size = view.getUint32(offset);
  if (size !== 1) return checkedHeader({ type, headerBytes: BOX_HEADER_BYTES, sizeBytes: size });
  if (offset + LARGE_BOX_HEADER_BYTES > bytes.length) return undefined;
  const large = Number(view.getBigUint64(offset + 8));
  return checkedHeader({ type, headerBytes: LARGE_BOX_HEADER_BYTES, sizeBytes: large });
}

/** The boxes that fill `bytes` from `start` to `end` exactly. */
export function boxesIn(bytes: Uint8Array, start = 0, end = bytes.length): Box[] {
  const boxes: Box[] = [];
  for (let offset = start; offset < end; ) {
    const header = readBoxHeader(bytes.subarray(0, end), offset);
    if (!header || offset + header.sizeBytes > end)
      throw malformed(`A box at byte ${offset} runs past its parent.`);
    boxes.push({
      type: header.type,
      start: offset,
      bodyStart: offset + header.headerBytes,
      end: offset + header.sizeBytes,
    });
    if (boxes.length > MAX_SIBLINGS) throw malformed('A box holds too many boxes.');
    offset += header.sizeBytes;
  }
  return boxes;
}

export function childrenOf(bytes: Uint8Array, box: Box): Box[] {
  return boxesIn(bytes, box.bodyStart, box.end);
}

/** The first box at a path such as `moov/trak/mdia/mdhd`, searched from `from` or the top. */
export function findBox(bytes: Uint8Array, path: string, from?: Box): Box | undefined {
  let boxes = from ? childrenOf(bytes, from) : boxesIn(bytes);
  let found: Box | undefined;
  for (const type of path.split('/')) {
    if (found) boxes = childrenOf(bytes, found);
    found = boxes.find((box) => box.type === type);
    if (!found) return undefined;
  }
  return found;
}

export function requireBox(bytes: Uint8Array, path: string, from?: Box): Box {
  const box = findBox(bytes, path, from);
  if (!box) throw malformed(`There is no ${path} box.`);
  return box;
}

/** A full box's version and 24 bits of flags, and a reader behind them that cannot leave the box. */
export function readFullBox(
  bytes: Uint8Array,
  box: Box,
): { version: number; flags: number; reader: BodyReader } {
  const reader = new BodyReader(bytes, box.bodyStart, box.end);
  const word = reader.u32();
  return { version: word >>> 24, flags: word & 0xffffff, reader };
}

export class BodyReader {
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#view = viewOf(bytes);
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  get position(): number {
    return this.#at;
  }

  skip(count: number): void {
    this.#take(count);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  /** A 64-bit value that must be a safe integer; a tfdt of 2^64-1024 is a known encoder slip, not a time. */
  u64(): number {
    const value = Number(this.#view.getBigUint64(this.#take(8)));
    if (!Number.isSafeInteger(value)) throw malformed('A 64-bit field is out of range.');
    return value;
  }

  i64(): number {
    return Number(this.#view.getBigInt64(this.#take(8)));
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#end) throw malformed('A box is shorter than its fields.');
    this.#at = at + count;
    return at;
  }
}

/** A box of the given parts. */
export function writeBox(type: string, ...parts: Uint8Array[]): Uint8Array {
  const sizeBytes = parts.reduce((sum, part) => sum + part.length, BOX_HEADER_BYTES);
  const bytes = new Uint8Array(sizeBytes);
  viewOf(bytes).setUint32(0, sizeBytes);
  bytes.set(asciiBytes(type), 4);
  let at = BOX_HEADER_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Big-endian 32-bit words, the stuff of most boxes. */
export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = viewOf(bytes);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value >>> 0);
  });
  return bytes;
}

export function u64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value));
  return bytes;
}

export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fourCharacters(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4));
}

/** Size 0 (to the end of the file) is legal ISO and never written by us. */
function checkedHeader(header: BoxHeader): BoxHeader {
  if (header.sizeBytes < header.headerBytes || !Number.isSafeInteger(header.sizeBytes)) {
    throw malformed(`A ${JSON.stringify(header.type)} box claims ${header.sizeBytes} bytes.`);
  }
  return header;
}
