// What is served to a player: a name's bytes and the facts of them, wherever they come from.
import { contentTypeOf } from '../../shared/object-keys.ts';
import type { Validators } from './conditional.ts';
import type { ByteRange } from './range.ts';

export type MediaFacts = Validators & { sizeBytes: number; contentType: string };

export type MediaObject = MediaFacts & {
  /** It will be another one soon: nobody may keep it. */
  isGrowing?: boolean;
  /** The bytes, at most once. */
  body(range?: ByteRange): Promise<Uint8Array | ReadableStream>;
  /** Lets go of the bytes where none are to be sent. */
  discard(): Promise<void>;
};

/** An object whose bytes are in memory. */
export function bytesMedia(
  bytes: Uint8Array,
  facts: Validators & { contentType: string; isGrowing?: boolean },
): MediaObject {
  return {
    ...facts,
    sizeBytes: bytes.byteLength,
    body: async (range) => (range ? bytes.subarray(range.offset, range.offset + range.length) : bytes),
    discard: async () => {},
  };
}

export function mediaTypeOf(key: string): string {
  return contentTypeOf(key) ?? 'application/octet-stream';
}
