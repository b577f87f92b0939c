// Looks at the outermost EBML elements of a Matroska file: is it whole, and is there an index to seek by?
import { AppError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { type Element, elementAt, parseElement, uint } from './ebml.ts';

/** Element ids (RFC 9559). */
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
 * The element that holds everything else; undefined where there is none.
 *
 * @throws AppError media_truncated where it states a length that the file does not have.
 */
export async function openSegment(source: ByteSource): Promise<Element | undefined> {
  // Void elements may come before it, and an EBML header whose size is wrong leaves some of its own over.
  let segment = await elementAt(source, 0);
  for (let skipped = 0; segment?.isSized && segment.id !== SEGMENT && skipped < MAX_ELEMENTS; skipped++) {
    segment = await elementAt(source, segment.end);
  }
  if (segment?.id !== SEGMENT) return undefined;
  if (segment.isSized && segment.end > source.sizeBytes) {
    throw new AppError('media_truncated', {
      detail: `The file has ${source.sizeBytes} bytes but says it should have ${segment.end}; the upload or the recording was cut short.`,
    });
  }
  return segment;
}

/**
 * True where the file holds Cues, without which every seek reads from the start.
 *
 * @throws AppError media_truncated as {@link openSegment}.
 */
export async function hasMatroskaCues(source: ByteSource): Promise<boolean> {
  const segment = await openSegment(source);
  if (!segment) return false;
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
