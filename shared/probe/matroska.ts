// Looks at the outermost EBML elements of a Matroska file: is it whole, and is there an index to seek by?
import { AppError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

const SEGMENT = 0x18538067;
const SEEK_HEAD = 0x114d9b74;
const SEEK = 0x4dbb;
const SEEK_ID = 0x53ab;
const SEEK_POSITION = 0x53ac;
const CUES = 0x1c53bb6b;
const CLUSTER = 0x1f43b675;

/** Elements before the first cluster are few; their bodies are skipped. */
const MAX_ELEMENTS = 200;
const MAX_SEEK_HEAD_BYTES = 64 * 1024;

/**
 * True where the file holds Cues, without which every seek reads from the start.
 *
 * @throws AppError media_truncated where the Segment states a length that the file does not have.
 */
export async function hasMatroskaCues(source: ByteSource): Promise<boolean> {
  const ebml = await elementAt(source, 0);
  const segment = ebml && (await elementAt(source, ebml.end));
  if (!segment || segment.id !== SEGMENT) return false;
  if (segment.isSized && segment.end > source.sizeBytes) {
    throw new AppError('media_truncated', {
      detail: `The file has ${source.sizeBytes} bytes but says it should have ${segment.end}; the upload or the recording was cut short.`,
    });
  }
  let offset = segment.body;
  for (let count = 0; count < MAX_ELEMENTS; count++) {
    const element = await elementAt(source, offset);
    if (!element?.isSized || element.id === CLUSTER) return false;
    if (element.id === CUES) return true;
    if (element.id === SEEK_HEAD) {
      const length = Math.min(
        element.end - element.body,
        MAX_SEEK_HEAD_BYTES,
        source.sizeBytes - element.body,
      );
      const cuesAt = cuesPosition(await source.read(element.body, length));
      if (cuesAt !== undefined) return (await elementAt(source, segment.body + cuesAt))?.id === CUES;
    }
    offset = element.end;
  }
  return false;
}

type Element = { id: number; body: number; end: number; isSized: boolean };

async function elementAt(source: ByteSource, offset: number): Promise<Element | undefined> {
  if (offset < 0 || offset + 2 > source.sizeBytes) return undefined;
  const head = await source.read(offset, Math.min(12, source.sizeBytes - offset));
  const element = parseElement(head, 0);
  return element && { ...element, body: offset + element.body, end: offset + element.end };
}

/** An EBML element header (RFC 8794): id and size are variable-length integers. */
function parseElement(bytes: Uint8Array, at: number): Element | undefined {
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

function cuesPosition(seekHead: Uint8Array): number | undefined {
  let offset = 0;
  while (offset < seekHead.length) {
    const entry = parseElement(seekHead, offset);
    if (!entry) return undefined;
    if (entry.id === SEEK) {
      const fields = new Map<number, number>();
      let at = entry.body;
      while (at < entry.end) {
        const field = parseElement(seekHead, at);
        if (!field || field.end > seekHead.length) break;
        fields.set(field.id, uint(seekHead.subarray(field.body, field.end)));
        at = field.end;
      }
      if (fields.get(SEEK_ID) === CUES) return fields.get(SEEK_POSITION);
    }
    offset = entry.end;
  }
  return undefined;
}

function uint(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}
