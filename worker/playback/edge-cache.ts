// Reads an object of a published generation: this isolate's memory, then the edge cache, then R2. The cache key is
// the object's own path and nothing of the request, so one viewer's read serves every other. Callers have checked
// the token already. That something is missing is remembered nowhere.
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import { mediaCounts } from '../http/meter.ts';
import { blockMedia } from './blocks.ts';
import { coalesced } from './coalesce.ts';
import { heldMedia, holdMedia, type StoredMedia } from './held-media.ts';
import { bytesMedia, type MediaFacts, type MediaObject, mediaTypeOf } from './media-object.ts';
import { cacheKeyOf, fromStorage, type MediaStore } from './media-store.ts';

/** Larger objects are read in blocks: an isolate has 128 MB for everything. */
export const CACHEABLE_BYTES = 32 * MIB;

/** A cached body's length is not promised to survive as Content-Length, and that of blocks is kept elsewhere. */
const SIZE_HEADER = 'X-Reelay-Size';

/** @throws AppError `not_found`, or `storage_unavailable` when R2 does not answer. */
export async function openMedia(key: string, store: MediaStore): Promise<MediaObject> {
  const held = heldMedia(key, Date.now());
  const media = held ?? (await coalesced(key, () => readThroughCache(key, store), store.waitUntil));
  if (!media) throw new AppError('not_found');
  if (held) mediaCounts.memory += 1;
  return media.bytes ? bytesMedia(media.bytes, media.facts) : blockMedia(key, media.facts, store);
}

async function readThroughCache(key: string, store: MediaStore): Promise<StoredMedia | undefined> {
  const cached = await fromCache(key, store.cache);
  const media = cached ?? (await fromStorage(() => readStored(key, store.bucket)));
  if (!media) return undefined;
  mediaCounts[cached ? 'edge' : 'storage'] += 1;
  if (!cached) store.waitUntil(store.cache.put(cacheKeyOf(key), cacheEntry(media, store.ttlSeconds)));
  holdMedia(key, media, Date.now());
  return media;
}

async function fromCache(key: string, cache: Cache): Promise<StoredMedia | undefined> {
  const cached = await cache.match(cacheKeyOf(key));
  if (!cached) return undefined;
  const facts: MediaFacts = {
    sizeBytes: Number(cached.headers.get(SIZE_HEADER)),
    etag: cached.headers.get('ETag')!,
    lastModified: new Date(cached.headers.get('Last-Modified')!),
    contentType: cached.headers.get('Content-Type')!,
  };
  const bytes = new Uint8Array(await cached.arrayBuffer());
  return facts.sizeBytes > CACHEABLE_BYTES ? { facts } : { facts, bytes };
}

/** The object and, when it is small enough to hold, all its bytes: both in one attempt, repeated as one. */
async function readStored(key: string, bucket: R2Bucket): Promise<StoredMedia | undefined> {
  const object = await bucket.get(key);
  if (!object) return undefined;
  const facts = {
    sizeBytes: object.size,
    etag: object.httpEtag,
    lastModified: object.uploaded,
    contentType: mediaTypeOf(key),
  };
  if (object.size <= CACHEABLE_BYTES) return { facts, bytes: new Uint8Array(await object.arrayBuffer()) };
  await object.body.cancel();
  return { facts };
}

/** The whole object, or of one that is kept in blocks the facts alone. */
function cacheEntry({ facts, bytes }: StoredMedia, ttlSeconds: number): Response {
  return new Response((bytes ?? null) as Uint8Array<ArrayBuffer> | null, {
    headers: {
      'Cache-Control': `public, max-age=${ttlSeconds}, no-transform`,
      'Content-Type': facts.contentType,
      ETag: facts.etag,
      'Last-Modified': facts.lastModified.toUTCString(),
      [SIZE_HEADER]: String(facts.sizeBytes),
    },
  });
}
