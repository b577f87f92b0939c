// The objects this isolate served last, in memory: what a crowd asks for again within seconds takes no read at all.
import { MIB, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import type { MediaFacts } from './media-object.ts';

/** Bytes where the object is small enough to be held whole anywhere. */
export type StoredMedia = { facts: MediaFacts; bytes?: Uint8Array };

/** Of the 128 MB that an isolate has for everything. */
const MAX_HELD_BYTES = 24 * MIB;
/** Six seconds of 1080p; a few larger ones would push out all others. */
const MAX_OBJECT_BYTES = 4 * MIB;
/** What an entry costs beside its bytes, rounded up. */
const ENTRY_BYTES = 1024;
/** What was deleted does not linger in a quiet isolate. */
const HELD_MS = 10 * MINUTE_SECONDS * SECOND_MS;

const held = new Map<string, { media: StoredMedia; untilMs: number }>();
let heldBytes = 0;

export function heldMedia(key: string, nowMs: number): StoredMedia | undefined {
  const entry = held.get(key);
  if (!entry) return undefined;
  if (entry.untilMs <= nowMs) {
    drop(key);
    return undefined;
  }
  held.delete(key); // and to the end of the row of those to go
  held.set(key, entry);
  return entry.media;
}

export function holdMedia(key: string, media: StoredMedia, nowMs: number): void {
  if ((media.bytes?.byteLength ?? 0) > MAX_OBJECT_BYTES) return;
  drop(key);
  held.set(key, { media, untilMs: nowMs + HELD_MS });
  heldBytes += sizeOf(media);
  for (const oldest of held.keys()) {
    if (heldBytes <= MAX_HELD_BYTES) break;
    drop(oldest);
  }
}

function drop(key: string): void {
  const entry = held.get(key);
  if (!entry) return;
  held.delete(key);
  heldBytes -= sizeOf(entry.media);
}

function sizeOf({ bytes }: StoredMedia): number {
  return ENTRY_BYTES + (bytes?.byteLength ?? 0);
}
