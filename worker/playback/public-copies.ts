// The optional PUBLIC bucket: copies of what everybody may watch, for a CDN that reads R2 itself. The cron's part;
// whatever is repeated, by it or by two of it at once, ends the same.
import { MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { contentTypeOf } from '../../shared/object-keys.ts';
import type { Env } from '../env.ts';
import { deletePrefix, getObject, hasBody, withR2Retries } from '../r2.ts';
import { isMediaName, isPlaylistName } from './path.ts';
import {
  copiesOf,
  dueChanges,
  isCurrent,
  noteChange,
  noteCopy,
  removeCopy,
  settle,
} from './public-copies-store.ts';
import { publicPrefixesOf } from './public-store.ts';
import { listsRungs } from './quality-cap.ts';

const VIDEOS_PER_RUN = 10;
/** Somebody else takes a video up that has not been settled for this long. */
const LEASE_SECONDS = 5 * MINUTE_SECONDS;
/** A run begins nothing after this; the next one goes on. */
const RUN_MS = 45 * SECOND_MS;
const COPIES_AT_ONCE = 6;
const LISTS_PER_PREFIX = 20;
/** R2 takes no more in one PUT than 5 GiB; larger objects are copied in parts. */
const MAX_PUT_BYTES = 2 ** 30;
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

type Buckets = { from: R2Bucket; to: R2Bucket; maxPutBytes: number };

export async function syncPublicBucket(env: Env, log: Log, maxPutBytes = MAX_PUT_BYTES): Promise<void> {
  if (!env.PUBLIC) return;
  const buckets = { from: env.MEDIA, to: env.PUBLIC, maxPutBytes };
  const endMs = Date.now() + RUN_MS;
  for (const change of await dueChanges(env.DB, VIDEOS_PER_RUN, LEASE_SECONDS)) {
    try {
      const isSettled = await syncVideo(env.DB, buckets, change, endMs);
      if (isSettled) await settle(env.DB, change);
      log.info('public.synced', { videoId: change.videoId, isSettled });
    } catch (error) {
      log.warn('public.sync_failed', { videoId: change.videoId, ...errorFields(error) });
    }
  }
}

type Change = { videoId: string; version: number };

/** @returns whether all is as it should be */
async function syncVideo(db: D1Database, buckets: Buckets, change: Change, endMs: number): Promise<boolean> {
  const { videoId } = change;
  const wanted = await publicPrefixesOf(db, videoId);
  for (const prefix of await copiesOf(db, videoId)) {
    if (wanted.includes(prefix)) continue;
    if (!(await deletePrefix(buckets.to, prefix, LISTS_PER_PREFIX))) return false;
    await removeCopy(db, prefix);
  }
  for (const prefix of wanted) {
    await noteCopy(db, prefix, videoId);
    if (!(await copyPrefix(db, buckets, prefix, change, endMs))) return false;
  }
  return true;
}

/** False where the time is over, or something has changed. */
async function copyPrefix(
  db: D1Database,
  buckets: Buckets,
  prefix: string,
  change: Change,
  endMs: number,
): Promise<boolean> {
  const there = await sizesIn(buckets.to, prefix);
  const missing = [...(await sizesIn(buckets.from, prefix))]
    .filter(([name, size]) => isMediaName(name) && there.get(name) !== size)
    // Whoever can read a list finds all it names.
    .sort(([a], [b]) => rankOf(a) - rankOf(b));
  for (let at = 0; at < missing.length; at += COPIES_AT_ONCE) {
    if (Date.now() > endMs) return false;
    const some = missing.slice(at, at + COPIES_AT_ONCE);
    await Promise.all(some.map(([name, size]) => copyObject(buckets, prefix + name, size)));
    // What was put after another run had looked is for one more run to see.
    if (!(await isCurrent(db, change))) {
      await noteChange(db, change.videoId);
      return false;
    }
  }
  return true;
}

async function sizesIn(bucket: R2Bucket, prefix: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  let cursor: string | undefined;
  do {
    const page = await withR2Retries(() => bucket.list({ prefix, ...(cursor !== undefined && { cursor }) }));
    for (const { key, size } of page.objects) sizes.set(key.slice(prefix.length), size);
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return sizes;
}

function rankOf(name: string): number {
  if (listsRungs(name)) return 2;
  return isPlaylistName(name) ? 1 : 0;
}

async function copyObject({ from, to, maxPutBytes }: Buckets, key: string, sizeBytes: number): Promise<void> {
  const options = {
    httpMetadata: {
      contentType: contentTypeOf(key) ?? 'application/octet-stream',
      cacheControl: CACHE_CONTROL,
    },
  };
  if (sizeBytes > maxPutBytes) return await copyInParts({ from, to, maxPutBytes }, key, sizeBytes, options);
  await withR2Retries(async () => {
    const object = await getObject(from, key);
    // It has been removed since it was listed; so will be its copies.
    if (object && hasBody(object)) await to.put(key, object.body, options);
  });
}

/** An upload that is left behind R2 drops after a week. */
async function copyInParts(
  { from, to, maxPutBytes }: Buckets,
  key: string,
  sizeBytes: number,
  options: R2MultipartOptions,
): Promise<void> {
  const upload = await withR2Retries(() => to.createMultipartUpload(key, options));
  const parts: R2UploadedPart[] = [];
  for (let offset = 0; offset < sizeBytes; offset += maxPutBytes) {
    const length = Math.min(maxPutBytes, sizeBytes - offset);
    const part = await withR2Retries(async () => {
      const object = await getObject(from, key, { range: { offset, length } });
      if (!object || !hasBody(object)) throw new Error('the object was removed while it was copied');
      return await upload.uploadPart(parts.length + 1, object.body);
    });
    parts.push(part);
  }
  await withR2Retries(() => upload.complete(parts));
}
