// /v1/migration-sources: what lies in the deployment's own bucket, for admins who bring a library there. Reading alone.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { type BucketListing, MAX_BUCKET_READ_BYTES } from '../../shared/migration-api.ts';
import { isOwnKey } from '../../shared/object-keys.ts';
import { requires } from '../http/auth.ts';
import type { AppEnv } from '../http/context.ts';
import { getObject, hasBody, headObject, withR2Retries } from '../r2.ts';

const LIST_LIMIT = 1000;

export function bucketSourceRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const isAdmin = requires('admin');

  app.get('/v1/migration-sources', isAdmin, async (c) => {
    const { prefix = '', cursor } = c.req.query();
    const page = await withR2Retries(() =>
      c.env.MEDIA.list({ prefix, limit: LIST_LIMIT, ...(cursor !== undefined && { cursor }) }),
    );
    const objects = page.objects
      .filter(({ key }) => !isOwnKey(key))
      .map(({ key, size, etag }) => ({ key, sizeBytes: size, etag }));
    const listing: BucketListing = { objects, ...(page.truncated && { nextCursor: page.cursor }) };
    return c.json(listing);
  });

  app.get('/v1/migration-sources/content', isAdmin, async (c) => {
    const key = c.req.query('key') ?? '';
    if (isOwnKey(key)) {
      throw new AppError('forbidden', { detail: 'Keys of this system itself are not read here.' });
    }
    const range = rangeOf(c);
    const found = await headObject(c.env.MEDIA, key);
    if (!found) throw noSuchKey();
    // R2 has no one answer to a range outside the object.
    if (range.offset >= found.size) {
      throw new AppError('range_not_satisfiable', { headers: { 'Content-Range': `bytes */${found.size}` } });
    }
    const object = await getObject(c.env.MEDIA, key, { range });
    if (!object || !hasBody(object)) throw noSuchKey();
    const { size, httpEtag } = object;
    const end = Math.min(range.offset + range.length, size);
    return c.body(object.body, 206, {
      'Content-Type': 'application/octet-stream',
      'Content-Range': `bytes ${range.offset}-${end - 1}/${size}`,
      'Content-Length': String(end - range.offset),
      ETag: httpEtag,
      'Cache-Control': 'no-store',
    });
  });

  return app;
}

/** Of `bytes=first-last` alone: this is for reading indexes, not films. */
function rangeOf(c: Context<AppEnv>): { offset: number; length: number } {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(c.req.header('Range') ?? '') ?? [];
  const offset = Number(first);
  const length = Number(last) - offset + 1;
  if (first !== undefined && length >= 1 && length <= MAX_BUCKET_READ_BYTES) return { offset, length };
  throw new AppError('invalid_request', {
    detail: `Ask for a range of at most ${MAX_BUCKET_READ_BYTES} bytes: Range: bytes=0-65535.`,
  });
}

function noSuchKey(): AppError {
  return new AppError('not_found', { detail: 'There is no such key in the bucket.' });
}
