// Reads an object of a published generation: edge cache first, then R2. The cache key is the object's own path
// and nothing of the request, so one viewer's read serves every other. Callers have checked the token already.
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS, MIB } from '../../shared/limits.ts';
import { hasBody, storageUnavailable, withR2Retries } from '../r2.ts';
import { bytesMedia, type MediaFacts, type MediaObject, mediaTypeOf } from './media-object.ts';
import type { ByteRange } from './range.ts';

type MediaStore = { bucket: R2Bucket; cache: Cache; waitUntil(work: Promise<unknown>): void };

/** Larger objects are streamed from R2 by range: an isolate has 128 MB for everything. */
export const CACHEABLE_BYTES = 32 * MIB;

const EDGE_TTL_SECONDS = DAY_SECONDS;
/** A cached body's length is not promised to survive as Content-Length. */
const SIZE_HEADER = 'X-Reelay-Size';

/** @throws AppError `not_found`, or `storage_unavailable` when R2 does not answer. */
export async function openMedia(key: string, store: MediaStore): Promise<MediaObject> {
  const cached = await store.cache.match(cacheKeyOf(key));
  if (cached) return cachedMedia(cached);

  const { object, bytes } = await fromStorage(() => readSmall(key, store.bucket));
  if (!object) throw new AppError('not_found');
  if (!bytes) return storedMedia(key, object, store.bucket);
  const facts = factsOf(key, object);
  store.waitUntil(store.cache.put(cacheKeyOf(key), cacheEntry(bytes, facts)));
  return bytesMedia(bytes, facts);
}

/** The object and, when it is small enough to hold, all its bytes: both in one attempt, repeated as one. */
async function readSmall(key: string, bucket: R2Bucket) {
  const object = await bucket.get(key);
  const isSmall = object !== null && object.size <= CACHEABLE_BYTES;
  return { object, bytes: isSmall ? new Uint8Array(await object.arrayBuffer()) : undefined };
}

/** A URL of no real host: entries never mix with what the platform caches for our own. */
export function cacheKeyOf(key: string): string {
  return `https://media.reelay.internal/${key}`;
}

function cachedMedia(cached: Response): MediaObject {
  return {
    sizeBytes: Number(cached.headers.get(SIZE_HEADER)),
    etag: cached.headers.get('ETag')!,
    lastModified: new Date(cached.headers.get('Last-Modified')!),
    contentType: cached.headers.get('Content-Type')!,
    body: async (range) =>
      range ? slice(new Uint8Array(await cached.arrayBuffer()), range) : (cached.body ?? new Uint8Array()),
    discard: async () => await cached.body?.cancel(),
  };
}

function storedMedia(key: string, object: R2ObjectBody, bucket: R2Bucket): MediaObject {
  return {
    ...factsOf(key, object),
    body: async (range) => {
      if (!range) return object.body;
      await object.body.cancel();
      const part = await fromStorage(() => bucket.get(key, { range, onlyIf: { etagMatches: object.etag } }));
      if (!part || !hasBody(part)) throw storageUnavailable(new Error('a write-once object changed'));
      return part.body;
    },
    discard: () => object.body.cancel(),
  };
}

function factsOf(key: string, object: R2Object): MediaFacts {
  return {
    sizeBytes: object.size,
    etag: object.httpEtag,
    lastModified: object.uploaded,
    contentType: mediaTypeOf(key),
  };
}

function cacheEntry(bytes: Uint8Array, facts: MediaFacts): Response {
  return new Response(bytes, {
    headers: {
      'Cache-Control': `public, max-age=${EDGE_TTL_SECONDS}, no-transform`,
      'Content-Type': facts.contentType,
      ETag: facts.etag,
      'Last-Modified': facts.lastModified.toUTCString(),
      [SIZE_HEADER]: String(facts.sizeBytes),
    },
  });
}

function slice(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  return range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;
}

/** Whatever R2 throws while it is read is storage trouble to a player, which then tries again. */
async function fromStorage<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await withR2Retries(read);
  } catch (error) {
    throw error instanceof AppError ? error : storageUnavailable(error);
  }
}
