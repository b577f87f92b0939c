// What one owner may hold, and that every way an upload can end gives back what it took.
import { env } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { pruneUploadDays, usageOf } from '../../worker/uploads/quota.ts';
import { purgeVideo } from '../../worker/videos/delete.ts';
import { randomOf } from '../support/random.ts';
import { codeOf } from './api-client.ts';
import { type Api, apiUnder } from './api-under.ts';
import { videoBytes } from './upload-steps.ts';
import { withinOneHour } from './within-one-hour.ts';

const log = createLog();
beforeEach(withinOneHour, 30_000);

function begin(api: Api, sizeBytes: number, more: object = {}): Promise<Response> {
  return api.ask('POST', '/v1/uploads', { json: { filename: 'a.mp4', sizeBytes, ...more } });
}

type Begun = { uploadId: string; videoId: string };

async function begun(api: Api, sizeBytes: number): Promise<Begun> {
  const answer = await begin(api, sizeBytes);
  expect(answer.status).toBe(201);
  return answer.json<Begun>();
}

async function finish(api: Api, { uploadId }: Begun, bytes: Uint8Array<ArrayBuffer>): Promise<Response> {
  expect((await api.ask('PUT', `/v1/uploads/${uploadId}/content`, { body: bytes })).status).toBe(204);
  return api.ask('POST', `/v1/uploads/${uploadId}/complete`);
}

describe('a quota', () => {
  it.each([
    ['open uploads', { MAX_OPEN_UPLOADS: '10' }, 'quota_exceeded'],
    ['bytes stored', { MAX_STORAGE_BYTES: '1099' }, 'quota_exceeded'],
    ['bytes a day', { MAX_BYTES_PER_DAY: '1099' }, 'daily_quota_exceeded'],
  ])('of %s lets exactly ten of a hundred creations at once in', async (_, limits, code) => {
    const api = await apiUnder(limits);
    const answers = await Promise.all(Array.from({ length: 100 }, () => begin(api, 100)));
    const codes = await Promise.all(answers.map(codeOf));
    expect(codes.filter((each) => each === 'status 201')).toHaveLength(10);
    expect(codes.filter((each) => each === code)).toHaveLength(90);
    expect(await usageOf(env.DB, api.ownerId)).toMatchObject({ openUploads: 10, storageBytes: 1000 });
    const videos = await env.DB.prepare('SELECT count(*) AS n FROM videos WHERE owner_id = ?')
      .bind(api.ownerId)
      .first();
    expect(videos).toEqual({ n: 10 });
  });

  it('says which it is, how large and how much of it is used', async () => {
    const api = await apiUnder({ MAX_STORAGE_BYTES: '1000' });
    await begun(api, 600);
    const refused = await begin(api, 401);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      code: 'quota_exceeded',
      detail: 'The file has 401 bytes; 400 bytes of storage are left.',
      ...{ quota: 'storageBytes', limit: 1000, used: 600 },
    });
    expect((await begin(api, 400)).status).toBe(201);
  });

  it('of the day names the time until midnight, and what came before today does not count', async () => {
    const api = await apiUnder({ MAX_BYTES_PER_DAY: '1000' });
    const { uploadId } = await begun(api, 1000);
    const refused = await begin(api, 1);
    expect(refused.status).toBe(429);
    const seconds = Number(refused.headers.get('Retry-After'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(DAY_SECONDS);
    expect(await refused.json()).toMatchObject({ code: 'daily_quota_exceeded', quota: 'bytesPerDay' });

    await env.DB.prepare(`UPDATE uploads SET created_at = created_at - ${DAY_SECONDS} WHERE id = ?`)
      .bind(uploadId)
      .run();
    expect((await begin(api, 1000)).status).toBe(201);
  });

  it('is the owner’s own', async () => {
    const [first, second] = [
      await apiUnder({ MAX_OPEN_UPLOADS: '1' }),
      await apiUnder({ MAX_OPEN_UPLOADS: '1' }),
    ];
    await begun(first, 5);
    expect(await codeOf(await begin(first, 5))).toBe('quota_exceeded');
    expect(await codeOf(await begin(second, 5))).toBe('status 201');
  });

  it('of 0 is none', async () => {
    const none = { MAX_OPEN_UPLOADS: '0', MAX_BYTES_PER_DAY: '0', MAX_STORAGE_BYTES: '0' };
    const api = await apiUnder(none);
    const size = 4 * 1024 ** 4;
    for (let count = 0; count < 6; count++) {
      expect((await begin(api, size, { method: 'presigned' })).status).toBe(201);
    }
  });

  it('is not touched by a request that is refused', async () => {
    const api = await apiUnder({ MAX_OPEN_UPLOADS: '1' });
    for (const wrong of [{ sizeBytes: 0 }, { sizeBytes: -1 }, { video: { protection: 'drm' } }]) {
      expect((await begin(api, 100, wrong)).status).toBeGreaterThanOrEqual(400);
    }
    expect(await usageOf(env.DB, api.ownerId)).toEqual({ openUploads: 0, bytesToday: 0, storageBytes: 0 });
    expect((await begin(api, 100)).status).toBe(201);
  });

  it('leaves no multipart upload behind when it refuses', async () => {
    const opened: string[] = [];
    const aborted: string[] = [];
    const bucket = env.MEDIA as R2Bucket;
    const MEDIA = {
      createMultipartUpload: async (key: string) => {
        opened.push(key);
        return { uploadId: key };
      },
      resumeMultipartUpload: (key: string) => ({ abort: async () => void aborted.push(key) }),
      head: (key: string) => bucket.head(key),
    };
    const api = await apiUnder({ MEDIA, MAX_OPEN_UPLOADS: '2' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => begin(api, 100, { method: 'multipart' })),
    );
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(2);
    expect(opened.length).toBeGreaterThan(2); // else nothing was to be aborted
    expect(aborted).toHaveLength(opened.length - 2);
  });
});

describe('the bytes of a day', () => {
  it('are not given back by deleting the video, the storage is', async () => {
    const api = await apiUnder({ MAX_BYTES_PER_DAY: '1500', MAX_STORAGE_BYTES: '1000' });
    const upload = await begun(api, 1000);
    expect((await finish(api, upload, videoBytes(1000))).status).toBe(200);
    expect(await codeOf(await begin(api, 1))).toBe('quota_exceeded');
    await api.ask('DELETE', `/v1/videos/${upload.videoId}`);
    expect(await usageOf(env.DB, api.ownerId)).toEqual({
      ...{ openUploads: 0, bytesToday: 1000, storageBytes: 0 },
    });
    expect(await codeOf(await begin(api, 501))).toBe('daily_quota_exceeded');
    expect(await codeOf(await begin(api, 500))).toBe('status 201');
  });

  it('stay counted once, while the deleted video still has its rows and after', async () => {
    const api = await apiUnder({});
    const upload = await begun(api, 1000);
    await finish(api, upload, videoBytes(1000));
    // A transcoder was at work: its last objects are waited for before the rows go.
    const started = 'UPDATE jobs SET started_at = unixepoch() WHERE video_id = ?';
    await env.DB.prepare(started).bind(upload.videoId).run();
    await api.ask('DELETE', `/v1/videos/${upload.videoId}`);
    const given = { openUploads: 0, bytesToday: 1000, storageBytes: 0 };
    expect(
      await env.DB.prepare('SELECT 1 FROM uploads WHERE id = ?').bind(upload.uploadId).first(),
    ).not.toBeNull();
    expect(await usageOf(env.DB, api.ownerId)).toEqual(given);
    await env.DB.prepare('UPDATE jobs SET started_at = NULL WHERE video_id = ?').bind(upload.videoId).run();
    await purgeVideo(api.settings, upload.videoId, log);
    expect(
      await env.DB.prepare('SELECT 1 FROM uploads WHERE id = ?').bind(upload.uploadId).first(),
    ).toBeNull();
    expect(await usageOf(env.DB, api.ownerId)).toEqual(given);
  });

  it('are forgotten when the day is over', async () => {
    const day = Math.floor(Date.now() / 1000 / DAY_SECONDS);
    const insert = env.DB.prepare('INSERT INTO upload_days VALUES (?, ?, 5)');
    const ownerId = crypto.randomUUID();
    await env.DB.batch([insert.bind(ownerId, day - 2), insert.bind(ownerId, day + 1)]);
    await pruneUploadDays(env.DB);
    const left = await env.DB.prepare('SELECT day FROM upload_days WHERE owner_id = ?').bind(ownerId).all();
    expect(left.results).toEqual([{ day: day + 1 }]);
  });
});

// However uploads end, what is in use is the sum of what is there. The model is the sum, kept by hand.
describe('usage', () => {
  it.each([1, 2, 3])('is the sum of the rows after any sequence (seed %i)', async (seed) => {
    const random = randomOf(seed);
    const limits = { MAX_OPEN_UPLOADS: 3, MAX_STORAGE_BYTES: 5000, MAX_BYTES_PER_DAY: 15_000 };
    const api = await apiUnder(Object.fromEntries(Object.entries(limits).map(([k, v]) => [k, String(v)])));
    const open = new Map<string, Begun & { size: number }>();
    const stored = new Map<string, number>();
    let deletedToday = 0;
    const sum = (sizes: Iterable<number>) => [...sizes].reduce((total, size) => total + size, 0);
    const expected = () => {
      const openBytes = sum([...open.values()].map(({ size }) => size));
      const storageBytes = openBytes + sum(stored.values());
      return { openUploads: open.size, storageBytes, bytesToday: storageBytes + deletedToday };
    };
    const codes = new Set<string>();

    const acts: Record<string, () => Promise<void>> = {
      create: async () => {
        const size = 100 + Math.floor(random() * 2500);
        const { openUploads, storageBytes, bytesToday } = expected();
        const answer = await begin(api, size);
        const verdict =
          openUploads + 1 > limits.MAX_OPEN_UPLOADS || storageBytes + size > limits.MAX_STORAGE_BYTES
            ? 'quota_exceeded'
            : bytesToday + size > limits.MAX_BYTES_PER_DAY
              ? 'daily_quota_exceeded'
              : 'status 201';
        codes.add(verdict);
        if (verdict === 'status 201') {
          expect(answer.status).toBe(201);
          const made = await answer.json<Begun>();
          open.set(made.uploadId, { ...made, size });
        } else expect(await codeOf(answer)).toBe(verdict);
      },
      abort: () =>
        withOne(open, async (upload) => {
          expect((await api.ask('DELETE', `/v1/uploads/${upload.uploadId}`)).status).toBe(204);
          open.delete(upload.uploadId);
        }),
      expire: () =>
        withOne(open, async (upload) => {
          await env.DB.prepare('UPDATE uploads SET expires_at = unixepoch() - 1 WHERE id = ?')
            .bind(upload.uploadId)
            .run();
          await expireUploads(api.settings, log);
          open.delete(upload.uploadId);
        }),
      complete: () =>
        withOne(open, async (upload) => {
          expect((await finish(api, upload, videoBytes(upload.size))).status).toBe(200);
          open.delete(upload.uploadId);
          stored.set(upload.videoId, upload.size);
        }),
      reject: () =>
        withOne(open, async (upload) => {
          const noVideo = new Uint8Array(upload.size).fill(65);
          expect(await codeOf(await finish(api, upload, noVideo))).toBe('media_not_video');
          open.delete(upload.uploadId);
        }),
      remove: () =>
        withOne(new Map([...stored].map(([id, size]) => [id, { id, size }])), async ({ id, size }) => {
          expect((await api.ask('DELETE', `/v1/videos/${id}`)).status).toBe(204);
          stored.delete(id);
          deletedToday += size;
        }),
    };
    const names = ['create', 'create', 'create', ...Object.keys(acts)];

    async function withOne<T>(from: Map<string, T>, act: (item: T) => Promise<void>): Promise<void> {
      const items = [...from.values()];
      if (items.length > 0) await act(items[Math.floor(random() * items.length)]!);
    }

    for (let step = 0; step < 60; step++) {
      const name = names[Math.floor(random() * names.length)]!;
      await acts[name]!();
      expect(await usageOf(env.DB, api.ownerId), `step ${step}: ${name}`).toEqual(expected());
    }
    expect(codes).toContain('quota_exceeded'); // else the limits were too wide to try anything
  });
});
