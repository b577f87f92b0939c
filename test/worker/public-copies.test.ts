// The PUBLIC bucket holds what everybody may watch, and nothing else.
import { env, SELF } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { MIB } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import type { Env } from '../../worker/env.ts';
import { syncPublicBucket } from '../../worker/playback/public-copies.ts';
import { bearer, bytesOf, ORIGIN } from './playback-fixtures.ts';
import { giveKey, published, type Shown, shown } from './public-fixtures.ts';

const log = { ...createLog(), info: () => {}, warn: () => {} };
const PUBLIC = env.PUBLIC!;
const NAMES = [
  ...['manifest.mpd', 'master.m3u8', 'master_r2.m3u8'],
  ...['stream_240p.m3u8', 'stream_240p_000.m4s'],
];

function sync(over: Partial<Env> = {}, maxPutBytes?: number): Promise<void> {
  return syncPublicBucket({ ...env, ...over } as Env, log, maxPutBytes);
}

/** Names of what the bucket has of a generation. */
async function copied(prefix: string): Promise<string[]> {
  const { objects } = await PUBLIC.list({ prefix });
  return objects.map(({ key }) => key.slice(prefix.length)).sort();
}

async function change({ id, ownerId }: Shown, method: 'PATCH' | 'DELETE', body?: object): Promise<void> {
  const answer = await SELF.fetch(`${ORIGIN}/v1/videos/${id}`, {
    method,
    headers: await bearer(ownerId, 'uploader'),
    ...(body && { body: JSON.stringify(body) }),
  });
  expect(answer.ok).toBe(true);
}

/** What is still to be done for a video; undefined for nothing. */
function waiting({ id }: Shown) {
  return env.DB.prepare('SELECT version, next_at FROM public_changes WHERE video_id = ?').bind(id).first();
}

describe('the bucket for everybody', () => {
  test('gets what viewers need of a public generation, with its type and how long to keep it', async () => {
    const video = await shown();
    await sync();
    expect(await copied(video.prefix)).toEqual(NAMES);
    const segment = (await PUBLIC.get(`${video.prefix}stream_240p_000.m4s`))!;
    expect(new Uint8Array(await segment.arrayBuffer())).toEqual(bytesOf(1000));
    expect(segment.httpMetadata).toMatchObject({
      contentType: 'video/iso.segment',
      cacheControl: 'public, max-age=31536000, immutable',
    });
    expect(await waiting(video)).toBeNull();
    const { uploaded } = (await PUBLIC.head(`${video.prefix}master.m3u8`))!;
    await env.DB.prepare('INSERT INTO public_changes (video_id) VALUES (?)').bind(video.id).run();
    await sync();
    expect((await PUBLIC.head(`${video.prefix}master.m3u8`))?.uploaded).toEqual(uploaded);
  });

  test('gets nothing of a video that is private, protected or for some countries only', async () => {
    const [hidden, keyed, regional, open] = [
      await shown({ visibility: 'private' }),
      await shown(),
      await shown({ regions: ['DE'] }),
      await shown(),
    ];
    await giveKey(keyed.jobId);
    await sync();
    for (const { prefix } of [hidden, keyed, regional]) expect(await copied(prefix)).toEqual([]);
    expect(await copied(open.prefix)).toEqual(NAMES);
  });

  test.each([
    ['turns private', (video: Shown) => change(video, 'PATCH', { visibility: 'private' })],
    ['is shown in some countries only', (video: Shown) => change(video, 'PATCH', { regions: ['DE'] })],
    ['is deleted', (video: Shown) => change(video, 'DELETE')],
    ['is found to be protected', (video: Shown) => giveKey(video.jobId)],
    [
      'is published protected',
      (video: Shown) =>
        env.DB.prepare(`UPDATE videos SET protection = 'cenc' WHERE id = ?`).bind(video.id).run(),
    ],
  ])('loses a video that %s', async (_, happens) => {
    const [video, other] = [await shown(), await shown()];
    await sync();
    expect(await copied(video.prefix)).toEqual(NAMES);
    await happens(video);
    await sync();
    expect(await copied(video.prefix)).toEqual([]);
    // Deleting goes on in the background, and leaves one more change at its end.
    const rest = async () => {
      await sync();
      return await waiting(video);
    };
    await expect.poll(rest, { timeout: 20_000 }).toBeNull();
    expect(await copied(video.prefix)).toEqual([]);
    expect(await copied(other.prefix)).toEqual(NAMES);
  });

  test('keeps an older generation as long as the other bucket does', async () => {
    const video = await shown();
    const next = await published(video);
    await sync();
    expect(await copied(video.prefix)).toEqual(NAMES);
    expect(await copied(next.prefix)).toEqual(NAMES);
    await env.DB.prepare('DELETE FROM stale_generations WHERE job_id = ?').bind(video.jobId).run();
    await sync();
    expect(await copied(video.prefix)).toEqual([]);
    expect(await copied(next.prefix)).toEqual(NAMES);
  });

  test('goes on where a copy was broken off', async () => {
    const video = await shown();
    let puts = 0;
    const failing = new Proxy(PUBLIC, {
      get(bucket, name) {
        if (name === 'put') {
          return (...args: Parameters<R2Bucket['put']>) => {
            if (puts++ > 1) throw new Error('put: We encountered an error. (10042)');
            return bucket.put(...args);
          };
        }
        const value = Reflect.get(bucket, name);
        return typeof value === 'function' ? value.bind(bucket) : value;
      },
    });
    await sync({ PUBLIC: failing });
    const some = await copied(video.prefix);
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(NAMES.length);
    // Manifests come last: nobody reads of what is not there.
    expect(some).not.toContain('master.m3u8');
    expect(await waiting(video)).not.toBeNull();
    await env.DB.prepare('UPDATE public_changes SET next_at = 0 WHERE video_id = ?').bind(video.id).run();
    await sync();
    expect(await copied(video.prefix)).toEqual(NAMES);
  });

  test('is not settled by a run that an owner has overtaken', async () => {
    const video = await shown();
    const overtaking = new Proxy(PUBLIC, {
      get(bucket, name) {
        if (name === 'put') {
          return async (...args: Parameters<R2Bucket['put']>) => {
            await env.DB.prepare(`UPDATE videos SET visibility = 'private' WHERE id = ?`)
              .bind(video.id)
              .run();
            return bucket.put(...args);
          };
        }
        const value = Reflect.get(bucket, name);
        return typeof value === 'function' ? value.bind(bucket) : value;
      },
    });
    await sync({ PUBLIC: overtaking });
    expect(await waiting(video)).not.toBeNull();
    await sync();
    expect(await copied(video.prefix)).toEqual([]);
  });

  test('takes large objects in parts', async () => {
    const video = await shown();
    const bytes = bytesOf(6 * MIB);
    await env.MEDIA.put(`${video.prefix}progressive.mp4`, bytes);
    await sync({}, 5 * MIB);
    const copy = (await PUBLIC.get(`${video.prefix}progressive.mp4`))!;
    expect(copy.httpMetadata?.contentType).toBe('video/mp4');
    const stored = new Uint8Array(await copy.arrayBuffer());
    expect(stored.length).toBe(bytes.length);
    expect(await digest(stored)).toEqual(await digest(bytes));
  });

  test('is left alone where there is none', async () => {
    const video = await shown();
    const { PUBLIC: _, ...without } = env;
    await syncPublicBucket(without as Env, log);
    expect(await waiting(video)).not.toBeNull();
    await sync();
    expect(await waiting(video)).toBeNull();
  });
});

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<number[]> {
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))];
}
