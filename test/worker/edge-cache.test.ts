// What a crowd costs: reads of R2, memory, and time in the cache. Requests are real ones (SELF), each in a context
// of its own, since what one may take from another is workerd's to say.
import { createExecutionContext, env, SELF, waitOnExecutionContext } from 'cloudflare:test';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { parseSigningKeys } from '../../shared/sign.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { BLOCK_BYTES } from '../../worker/playback/blocks.ts';
import { CACHEABLE_BYTES, openMedia } from '../../worker/playback/edge-cache.ts';
import { cacheKeyOf } from '../../worker/playback/media-store.ts';
import { countViews, edgeTtlSeconds, popularPrefixes } from '../../worker/playback/popularity.ts';
import { verifiedClaims } from '../../worker/playback/verified-tokens.ts';
import {
  bytesOf,
  fetchMedia,
  KEYS,
  mediaUrl,
  outcome,
  type PublishedVideo,
  playToken,
  publishVideo,
} from './playback-fixtures.ts';

const HERD = 50;
let video: PublishedVideo;
let token: string;
let number = 0;

beforeAll(async () => {
  video = await publishVideo();
  token = await playToken(video);
});
afterEach(() => vi.restoreAllMocks());

async function newSegment(bytes?: Uint8Array<ArrayBuffer>): Promise<string> {
  const key = `${video.prefix}stream_480p_${String(100 + number++)}.m4s`;
  if (bytes) await env.MEDIA.put(key, bytes);
  return key;
}

/** Every bucket of this isolate reads through `get`: the Worker's own binding is none that a test can hold. */
function watchReads(instead?: (get: () => Promise<unknown>, read: number) => Promise<unknown>) {
  const bucket = Object.getPrototypeOf(env.MEDIA) as R2Bucket;
  const real = bucket.get;
  return vi.spyOn(bucket, 'get').mockImplementation(function (this: R2Bucket, ...args: unknown[]) {
    const get = () => Reflect.apply(real, this, args) as Promise<unknown>;
    return (instead ? instead(get, reads()) : get()) as never;
  });
  function reads(): number {
    return vi.mocked(bucket.get).mock.calls.length;
  }
}

function same(got: Uint8Array, wanted: Uint8Array): boolean {
  return got.byteLength === wanted.byteLength && got.every((byte, index) => byte === wanted[index]);
}

describe('a herd on a cold segment', () => {
  test('costs one read of R2, and everybody gets what they asked for', async () => {
    const bytes = bytesOf(50_000);
    const key = await newSegment(bytes);
    const reads = watchReads(async (get) => {
      await scheduler.wait(50); // long enough for all to arrive
      return await get();
    });
    const answers = await Promise.all(
      Array.from({ length: HERD }, async (_, index) => {
        const range = index % 2 === 0 ? undefined : { Range: `bytes=${index}-${index * 100}` };
        const response = await fetchMedia(token, key, range && { headers: range });
        const body = new Uint8Array(await response.arrayBuffer());
        const wanted = range ? bytes.subarray(index, index * 100 + 1) : bytes;
        return [response.status, same(body, wanted)];
      }),
    );
    expect(answers).toEqual(answers.map((_, index) => [index % 2 === 0 ? 200 : 206, true]));
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test('is told together that storage fails, and the next one is served', async () => {
    const bytes = bytesOf(1000);
    const key = await newSegment(bytes);
    const reads = watchReads(async () => {
      await scheduler.wait(1000); // one that came later would read by itself
      throw new Error('get: disk on fire');
    });
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async () => outcome(await fetchMedia(token, key))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['503 storage_unavailable']));
    expect(reads).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    expect(await outcome(await fetchMedia(token, key))).toBe('200');
  });

  test('loses nothing by its first member, who hangs up', async () => {
    const bytes = bytesOf(2000);
    const key = await newSegment(bytes);
    const hangUp = new AbortController();
    let hasHungUp = false;
    const reads = watchReads(async (get) => {
      while (!hasHungUp) await scheduler.wait(5);
      return await get();
    });
    const first = SELF.fetch(mediaUrl(token, key), { signal: hangUp.signal } as never);
    const gone = first.then(
      () => 'answered',
      () => 'gone',
    );
    await expect.poll(() => reads.mock.calls.length, { timeout: 20_000 }).toBe(1);
    const others = Array.from({ length: 5 }, () => fetchMedia(token, key));
    await scheduler.wait(20);
    hangUp.abort();
    expect(await gone).toBe('gone');
    hasHungUp = true;
    for (const response of await Promise.all(others)) {
      expect(same(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(true);
    }
  });

  test('that came after the look learns of an object written during it', async () => {
    const key = await newSegment();
    let hasLooked = false;
    watchReads(async (get, read) => {
      const object = await get();
      if (read === 1) {
        hasLooked = true;
        await scheduler.wait(100);
      }
      return object;
    });
    const early = fetchMedia(token, key);
    await expect.poll(() => hasLooked, { timeout: 20_000 }).toBe(true);
    await env.MEDIA.put(key, bytesOf(10));
    const late = Array.from({ length: 3 }, () => fetchMedia(token, key));
    expect(await outcome(await early)).toBe('404 not_found');
    expect(await Promise.all((await Promise.all(late)).map(outcome))).toEqual(['200', '200', '200']);
  });
});

describe('a large object', () => {
  const sizeBytes = CACHEABLE_BYTES + BLOCK_BYTES + 1234;
  // Little-endian words that say where they are.
  const byteAt = (index: number) => ((index >> 2) >> (8 * (index & 3))) & 0xff;
  let key: string;
  beforeAll(async () => {
    const words = Uint32Array.from({ length: Math.ceil(sizeBytes / 4) }, (_, index) => index);
    key = await newSegment(new Uint8Array(words.buffer, 0, sizeBytes));
  }, 60_000);

  test.each([
    ['within one block', 5, 1000],
    ['over a joint', BLOCK_BYTES - 3, 10],
    ['of exactly one block', BLOCK_BYTES, BLOCK_BYTES],
    ['over three blocks', BLOCK_BYTES - 1, BLOCK_BYTES + 2],
    ['at the very end', sizeBytes - 1300, 1300],
  ])('answers a range %s with its bytes, cold and warm', async (_where, offset, length) => {
    for (let pass = 0; pass < 2; pass++) {
      const range = `bytes=${offset}-${offset + length - 1}`;
      const response = await fetchMedia(token, key, { headers: { Range: range } });
      expect(response.status).toBe(206);
      expect(response.headers.get('Content-Range')).toBe(
        `bytes ${offset}-${offset + length - 1}/${sizeBytes}`,
      );
      expect(response.headers.get('Content-Length')).toBe(String(length));
      const body = new Uint8Array(await response.arrayBuffer());
      expect(body.byteLength).toBe(length);
      expect(body.every((byte, index) => byte === byteAt(offset + index))).toBe(true);
    }
  });

  test('is read no faster than its client takes it', async () => {
    const reads = watchReads();
    // Six blocks that nobody has asked for yet.
    const range = `bytes=${3 * BLOCK_BYTES}-${9 * BLOCK_BYTES - 1}`;
    const response = await fetchMedia(token, key, { headers: { Range: range } });
    const reader = response.body!.getReader();
    await reader.read();
    await scheduler.wait(200);
    // The block that is sent, and one after it or two.
    expect(reads.mock.calls.length).toBeLessThanOrEqual(3);
    await reader.cancel();
  });
});

describe('the edge keeps an object', () => {
  test.each([
    [1000, 1],
    [1001, 3],
    [10_000, 3],
    [10_001, 7],
  ])('of a video with %i views a day for %i days', async (viewsPerDay, days) => {
    const seen = await publishVideo();
    await env.DB.prepare('INSERT INTO video_popularity VALUES (?, ?, unixepoch())')
      .bind(seen.id, viewsPerDay)
      .run();
    expect((await popularPrefixes(env.DB)).get(seen.prefix) ?? 86_400).toBe(days * 86_400);
    const context = createExecutionContext();
    const sources = {
      ...{ db: env.DB, log: createLog() },
      waitUntil: (work: Promise<unknown>) => context.waitUntil(work),
    };
    const tomorrowMs = Date.now() + 86_400_000 * viewsPerDay; // later than any snapshot
    edgeTtlSeconds(seen.prefix, { ...sources, nowMs: tomorrowMs });
    await waitOnExecutionContext(context);
    const ttlSeconds = edgeTtlSeconds(seen.prefix, { ...sources, nowMs: tomorrowMs });
    expect(ttlSeconds).toBe(days * 86_400);

    const key = `${seen.prefix}poster.jpg`;
    const put = vi.fn<Cache['put']>(async () => {});
    const cache = { match: async () => undefined, put } as unknown as Cache;
    await openMedia(key, { bucket: env.MEDIA, cache, ttlSeconds, waitUntil: () => {} });
    const entry = put.mock.calls[0]![1] as unknown as Response;
    expect(entry.headers.get('Cache-Control')).toBe(`public, max-age=${ttlSeconds}, no-transform`);
  });

  test('by the plays of its last day, counted once an hour', async () => {
    const seen = await publishVideo();
    const views = async () =>
      await env.DB.prepare('SELECT views_per_day FROM video_popularity WHERE video_id = ?')
        .bind(seen.id)
        .first<number>('views_per_day');
    const begin = async (id: string, ageSeconds: number) =>
      await env.DB.prepare(
        `INSERT INTO sessions (id, video_id, viewer_id, output_prefix, ttl_seconds, created_at, expires_at)
         VALUES (?, ?, '', ?, 60, unixepoch() - ?, 0)`,
      )
        .bind(id, seen.id, seen.prefix, ageSeconds)
        .run();
    await env.DB.prepare('DELETE FROM video_popularity').run();
    await begin(crypto.randomUUID(), 10);
    await begin(crypto.randomUUID(), 80_000);
    await begin(crypto.randomUUID(), 90_000);
    await countViews(env.DB);
    expect(await views()).toBe(2);
    await begin(crypto.randomUUID(), 10);
    await countViews(env.DB);
    expect(await views()).toBe(2);
    await env.DB.prepare('UPDATE video_popularity SET counted_at = counted_at - 3600').run();
    await countViews(env.DB);
    expect(await views()).toBe(3);
  });
});

test('a token that was found genuine is judged by its time and its keys again', async () => {
  const claims = await verifiedClaims(token, KEYS, 0);
  expect(claims.pfx).toBe(video.prefix);
  expect(await verifiedClaims(token, KEYS, claims.exp - 1)).toEqual(claims);
  await expect(verifiedClaims(token, KEYS, claims.exp)).rejects.toMatchObject({
    code: 'playback_token_expired',
  });
  const others = parseSigningKeys('k1:another-signing-secret-0123456789-0123456');
  await expect(verifiedClaims(token, others, 0)).rejects.toMatchObject({ code: 'playback_token_invalid' });
  const forged = `${token.slice(0, -3)}${token.endsWith('AAA') ? 'BBB' : 'AAA'}`;
  await expect(verifiedClaims(forged, KEYS, 0)).rejects.toMatchObject({ code: 'playback_token_invalid' });
});

test('playback goes on from cache, token and snapshot while D1 is away', async () => {
  const away = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const app = createApp();
  const settings = { ...env, DB: { prepare: away, batch: away } } as unknown as Env;
  const ask = async (key: string) => {
    const context = createExecutionContext();
    const answer = await app.request(mediaUrl(token, key), {}, settings, context as never);
    const told = await outcome(answer);
    await waitOnExecutionContext(context);
    return told;
  };
  const key = await newSegment(bytesOf(100));
  expect(await ask(key)).toBe('200');
  await expect.poll(() => caches.default.match(cacheKeyOf(key)), { timeout: 20_000 }).toBeTruthy();
  await env.MEDIA.delete(key);
  expect(await ask(key)).toBe('200');
  expect(await ask(`${video.prefix}master.m3u8`)).toBe('200');
  expect(await ask(`${video.prefix}stream_240p.m3u8`)).toBe('200');
});
