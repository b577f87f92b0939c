// The older API's rules that only the Worker knows: limits, quotas, owners, settings, and where MP4s lie.
import { createExecutionContext, env } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { generationPrefix } from '../../shared/object-keys.ts';
import { withFormMemory } from '../../worker/legacy/form-memory.ts';
import { usageOf } from '../../worker/uploads/quota.ts';
import { clipBytes, freshId, text, uploadForm } from '../support/legacy-form.ts';
import { codeOf, ORIGIN } from './api-client.ts';
import { type Api, apiUnder } from './api-under.ts';
import {
  app,
  CLIP,
  CONVERT,
  convert,
  jobIdOf,
  originOf,
  PART_BYTES,
  rowsOf,
  STATUS,
  send,
  stream,
} from './legacy-steps.ts';
import { PRESENTATION } from './playback-fixtures.ts';
import { withinOneHour } from './within-one-hour.ts';

beforeEach(withinOneHour, 30_000);

describe('a form that is too large for the edge', () => {
  it('is refused by what it says of itself, naming both ways out', async () => {
    const api = await apiUnder({ EDGE_BODY_LIMIT_BYTES: '60000' });
    const answer = await send(api, uploadForm(clipBytes(60_000), freshId()));
    const problem = (await answer.clone().json()) as { detail: string; limitBytes: number };
    expect(await codeOf(answer)).toBe('upload_too_large_for_edge');
    expect(answer.status).toBe(413);
    expect(problem.limitBytes).toBe(60_000);
    expect(problem.detail).toMatch(/ingest mode/);
    expect(problem.detail).toMatch(/npx reelay upload.*\/v1\/uploads/);
    await jobIdOf(await send(api, uploadForm(clipBytes(59_000), freshId())));
  });

  it('is refused by what comes, where it says nothing', async () => {
    const api = await apiUnder({ EDGE_BODY_LIMIT_BYTES: String(PART_BYTES + 10_000) });
    const form = uploadForm(clipBytes(PART_BYTES + 10_000), freshId());
    const half = form.body.length / 2;
    const halves = () => [form.body.slice(0, half), form.body.slice(half)];
    expect(await codeOf(await stream(api, form, halves()))).toBe('upload_too_large_for_edge');
    expect(await usageOf(env.DB, api.ownerId)).toEqual({ openUploads: 0, bytesToday: 0, storageBytes: 0 });
    const larger = await apiUnder({ EDGE_BODY_LIMIT_BYTES: String(PART_BYTES + 20_000) });
    await jobIdOf(await stream(larger, form, halves()));
    expect(await usageOf(env.DB, larger.ownerId)).toMatchObject({ storageBytes: PART_BYTES + 10_000 });
  });
});

describe('forms at once', () => {
  it('are taken in for as long as there is memory for a part of each; the next waits, and is told to come back', async () => {
    const api = await apiUnder({});
    const form = uploadForm(clipBytes(PART_BYTES), freshId());
    const more = Promise.withResolvers<void>();
    const bodies = Array.from({ length: 10 }, () => [form.body.slice(0, 1000), more.promise]);
    const first = bodies.map((pieces) => stream(api, form, pieces));
    await expect
      .poll(() => bodies.map((pieces) => pieces.length), { timeout: 20_000 })
      .toEqual(Array(10).fill(0));
    const impatient = withFormMemory(form.body.length, async () => undefined, 0);
    await expect(impatient).rejects.toMatchObject({ code: 'rate_limited', retryAfterSeconds: 5 });
    const next = [form.body];
    const waiting = stream(api, form, next);
    // A small form has room all the same.
    await jobIdOf(await send(api, uploadForm(CLIP, freshId())));
    expect(next).toHaveLength(1);
    more.resolve();
    for (const answer of await Promise.all(first)) expect(await codeOf(answer)).toBe('form_truncated');
    await jobIdOf(await waiting);
  });
});

describe('a form that breaks off', () => {
  it('leaves neither bytes nor a claim on the quota', async () => {
    const api = await apiUnder({});
    const form = uploadForm(clipBytes(PART_BYTES + 1_000_000), freshId());
    const start = form.body.slice(0, PART_BYTES + 500_000);
    const broken = await stream(api, form, [start, new Error('the client has gone')]);
    expect(await codeOf(broken)).toBe('form_truncated');
    const [row, ...others] = await rowsOf(api.ownerId);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ state: 'aborted' });
    expect(await env.MEDIA.head(row!.object_key)).toBeNull();
    expect(await usageOf(env.DB, api.ownerId)).toEqual({ openUploads: 0, bytesToday: 0, storageBytes: 0 });
    const whole = await apiUnder({});
    await jobIdOf(await stream(whole, form, [form.body]));
    expect(await usageOf(env.DB, whole.ownerId)).toMatchObject({ storageBytes: PART_BYTES + 1_000_000 });
  });
});

describe("an owner's quota", () => {
  it.each([
    ['that fits into one part', 50_000],
    ['with several parts', PART_BYTES + 1000],
  ])('counts the bytes of a file %s, and not of its form', async (_what, sizeBytes) => {
    const api = await apiUnder({ MAX_STORAGE_BYTES: String(sizeBytes + 4000) });
    await jobIdOf(await send(api, uploadForm(clipBytes(sizeBytes), freshId())));
    expect(await usageOf(env.DB, api.ownerId)).toEqual({
      openUploads: 0,
      bytesToday: sizeBytes,
      storageBytes: sizeBytes,
    });
    const refused = await send(api, uploadForm(clipBytes(sizeBytes), freshId()));
    expect(await codeOf(refused)).toBe('quota_exceeded');
    expect(await usageOf(env.DB, api.ownerId)).toMatchObject({ storageBytes: sizeBytes });
    expect(await rowsOf(api.ownerId)).toHaveLength(1);
  });
});

describe('the rules of owners', () => {
  it.each([false, true])(
    "refuse another owner's content id (fields first: %s), and let its owner replace it",
    async (fieldsFirst) => {
      const contentId = freshId();
      const [owner, other] = [await apiUnder({}), await apiUnder({})];
      await env.DB.prepare(
        `INSERT INTO contents (kind, content_id, owner_id, video_id) VALUES ('movie', ?, ?, 'v')`,
      )
        .bind(contentId, owner.ownerId)
        .run();
      for (const bytes of [CLIP, clipBytes(PART_BYTES + 1000)]) {
        expect(await codeOf(await send(other, uploadForm(bytes, contentId, { fieldsFirst })))).toBe(
          'content_id_taken',
        );
      }
      expect(await usageOf(env.DB, other.ownerId)).toMatchObject({ openUploads: 0, storageBytes: 0 });
      await jobIdOf(await send(owner, uploadForm(CLIP, contentId, { fieldsFirst })));
    },
  );

  it('let uploaders in, and no viewers', async () => {
    const viewer = await apiUnder({}, undefined, 'viewer');
    expect(await codeOf(await send(viewer, uploadForm(CLIP, freshId())))).toBe('forbidden');
    expect(await codeOf(await convert(viewer, 'movie', freshId()))).toBe('forbidden');
    await jobIdOf(await send(await apiUnder({}, undefined, 'uploader'), uploadForm(CLIP, freshId())));
  });

  it.each([
    [{}, 'public'],
    [{ LEGACY_VISIBILITY: 'private' }, 'private'],
  ])('with %o make uploads %s', async (settings, visibility) => {
    const api = await apiUnder(settings);
    await jobIdOf(await send(api, uploadForm(CLIP, freshId())));
    const { videos } = (await (await api.ask('GET', '/v1/videos')).json()) as { videos: object[] };
    expect(videos).toEqual([expect.objectContaining({ visibility, kind: 'movie' })]);
  });
});

describe('the status of a job', () => {
  /** A job that has ended well, as its transcoder leaves it. */
  async function finished(api: Api, type: string, contentId: string): Promise<string> {
    const jobId = await jobIdOf(await send(api, uploadForm(CLIP, contentId, { type })));
    const prefix = generationPrefix(type as 'movie', contentId, jobId);
    await Promise.all(
      ['master.m3u8', 'stream_240p_000.m4s', 'poster.jpg'].map((name) => env.MEDIA.put(prefix + name, 'x')),
    );
    await env.DB.batch([
      env.DB.prepare(
        `UPDATE jobs SET state = 'succeeded', started_at = created_at, finished_at = created_at + 245 WHERE id = ?`,
      ).bind(jobId),
      env.DB.prepare(
        `UPDATE videos SET state = 'ready', presentation = ?, output_prefix = ? WHERE id = (SELECT video_id FROM jobs WHERE id = ?)`,
      ).bind(JSON.stringify(PRESENTATION), prefix, jobId),
    ]);
    return jobId;
  }

  it.each([
    ['movie', freshId(), 'movies', Number],
    ['episode', 's01-e02', 'episodes', String],
    ['episode', '007', 'episodes', String],
  ] as const)('of a finished %s %s has the result', async (type, contentId, folder, asId) => {
    const api = await apiUnder({});
    const jobId = await finished(api, type, contentId);
    const answer = await app.request(
      `${ORIGIN}${STATUS}/${jobId}`,
      {},
      api.settings,
      createExecutionContext() as never,
    );
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(await answer.json()).toEqual({
      status: 'completed',
      progress: 100,
      message: 'The video is ready',
      content_type: type,
      content_id: asId(contentId),
      result: {
        hls_url: `${ORIGIN}/hls/${folder}/${contentId}/master.m3u8`,
        duration: 100,
        variants: [
          { quality: '240p', bandwidth: 240_000, resolution: '480x240' },
          { quality: '480p', bandwidth: 480_000, resolution: '960x480' },
          { quality: '720p', bandwidth: 720_000, resolution: '1440x720' },
        ],
        files_uploaded: 3,
        processing_time_seconds: 245,
      },
    });
  });

  it.each([
    ['queued', {}, 'queued', 'Waiting for a transcoder'],
    ['running', {}, 'processing', 'Reading the video'],
    [
      'failed',
      { code: 'media_truncated', detail: 'The file ends too early.' },
      'failed',
      'The file ends too early.',
    ],
    [
      'cancelled',
      { code: 'job_cancelled', detail: 'The job was cancelled.' },
      'failed',
      'The job was cancelled.',
    ],
  ])(
    'of a %s job %o is %s',
    async (state, { code, detail }: { code?: string; detail?: string }, status, message) => {
      const api = await apiUnder({});
      const jobId = await jobIdOf(await send(api, uploadForm(CLIP, freshId())));
      await env.DB.prepare('UPDATE jobs SET state = ?, error_code = ?, error_detail = ? WHERE id = ?')
        .bind(state, code ?? null, detail ?? null, jobId)
        .run();
      const answer = await (await api.ask('GET', `${STATUS}/${jobId}`)).json();
      expect(answer).toMatchObject({
        status,
        message,
        progress: 0,
        ...(code && { error: { code, detail } }),
      });
      expect(answer).not.toHaveProperty('result');
    },
  );

  it('needs no credential unless LEGACY_STATUS_AUTH asks for one, and then its owner', async () => {
    const api = await apiUnder({ LEGACY_STATUS_AUTH: 'required' });
    const path = `${STATUS}/${await jobIdOf(await send(api, uploadForm(CLIP, freshId())))}`;
    const bare = (settings: object) =>
      app.request(ORIGIN + path, {}, { ...api.settings, ...settings }, createExecutionContext() as never);
    expect(await codeOf(await bare({}))).toBe('unauthorized');
    expect((await bare({ LEGACY_STATUS_AUTH: 'none' })).status).toBe(200);
    expect((await api.ask('GET', path)).status).toBe(200);
    expect(await codeOf(await (await apiUnder({ LEGACY_STATUS_AUTH: 'required' })).ask('GET', path))).toBe(
      'not_found',
    );
  });

  it('is told of titles alone, which the older API can name', async () => {
    const api = await apiUnder({});
    const jobId = await jobIdOf(await send(api, uploadForm(CLIP, freshId())));
    expect((await api.ask('GET', `${STATUS}/${jobId}`)).status).toBe(200);
    await env.DB.prepare(`UPDATE videos SET kind = 'video' WHERE owner_id = ?`).bind(api.ownerId).run();
    expect(await codeOf(await api.ask('GET', `${STATUS}/${jobId}`))).toBe('not_found');
    expect(await codeOf(await api.ask('GET', `${STATUS}/${crypto.randomUUID()}`))).toBe('not_found');
  });
});

describe('a conversion', () => {
  it.each([
    ['movie', (id: string) => `videos/movies/${id}.mp4`],
    ['episode', (id: string) => `episodes/${id}.mp4`],
    ['movie', (id: string) => `videos/${id}.mp4`],
  ])('of a %s finds its MP4 by the templates', async (type, keyOf) => {
    const api = await apiUnder({}, undefined, 'uploader');
    const id = freshId();
    await env.MEDIA.put(keyOf(id), CLIP);
    expect(await originOf(await jobIdOf(await convert(api, type, id)))).toEqual({
      bucket_key: keyOf(id),
      url: null,
    });
  });

  it("finds it by templates of one's own, also of one owner alone", async () => {
    const settings = { LEGACY_SOURCE_TEMPLATES: 'archive/{owner}/{type}-{id}.mp4' };
    const [api, other] = [await apiUnder(settings), await apiUnder(settings)];
    const id = freshId();
    const key = `archive/${api.ownerId}/movie-${id}.mp4`;
    await env.MEDIA.put(key, CLIP);
    expect(await codeOf(await convert(other, 'movie', id))).toBe('not_found');
    expect(await originOf(await jobIdOf(await convert(api, 'movie', id)))).toEqual({
      bucket_key: key,
      url: null,
    });
  });

  it('looks for admins alone where LEGACY_SOURCE_ROLE says so', async () => {
    const id = freshId();
    await env.MEDIA.put(`movies/${id}.mp4`, CLIP);
    const uploader = await apiUnder({ LEGACY_SOURCE_ROLE: 'admin' }, undefined, 'uploader');
    expect(await codeOf(await convert(uploader, 'movie', id))).toBe('not_found');
    await jobIdOf(await convert(await apiUnder({ LEGACY_SOURCE_ROLE: 'admin' }), 'movie', id));
  });

  it('takes what was registered before what the templates find, for its owner alone', async () => {
    const id = freshId();
    const [admin, other] = [await apiUnder({}), await apiUnder({})];
    const register = (api: Api, source: object) =>
      api.ask('PUT', '/v1/legacy/sources', {
        json: { sources: [{ kind: 'movie', contentId: id, ...source }] },
      });
    await env.MEDIA.put(`archive/${id}.mp4`, CLIP);
    await env.MEDIA.put(`videos/${id}.mp4`, CLIP);
    expect((await register(admin, { bucketKey: `archive/${id}.mp4` })).status).toBe(200);
    expect(await originOf(await jobIdOf(await convert(admin, 'movie', id)))).toMatchObject({
      bucket_key: `archive/${id}.mp4`,
    });
    expect(await originOf(await jobIdOf(await convert(other, 'movie', id)))).toMatchObject({
      bucket_key: `videos/${id}.mp4`,
    });
    expect((await register(admin, { url: 'https://media.example.com/a.mp4?signature=geheim' })).status).toBe(
      200,
    );
    expect(await originOf(await jobIdOf(await convert(admin, 'movie', id)))).toMatchObject({
      url: 'https://media.example.com/a.mp4?signature=geheim',
    });
    const { sources } = (await (await admin.ask('GET', '/v1/legacy/sources')).json()) as {
      sources: object[];
    };
    expect(sources).toEqual([{ kind: 'movie', contentId: id, url: 'https://media.example.com/a.mp4' }]);
    expect((await admin.ask('DELETE', `/v1/legacy/sources/movie/${id}`)).status).toBe(204);
    expect(await codeOf(await admin.ask('DELETE', `/v1/legacy/sources/movie/${id}`))).toBe('not_found');
    expect(await originOf(await jobIdOf(await convert(admin, 'movie', id)))).toMatchObject({
      bucket_key: `videos/${id}.mp4`,
    });
  });

  it.each([
    ['a key, by an uploader', 'forbidden', 'uploader', { bucketKey: 'archive/a.mp4' }],
    ["this system's own key", 'forbidden', 'admin', { bucketKey: 'sources/a/b' }],
    ['an address of this network', 'import_address_refused', 'uploader', { url: 'https://10.0.0.1/a.mp4' }],
    [
      'both',
      'invalid_request',
      'admin',
      { url: 'https://media.example.com/a.mp4', bucketKey: 'archive/a.mp4' },
    ],
    ['neither', 'invalid_request', 'admin', {}],
    ['a key, by an admin', 'status 200', 'admin', { bucketKey: 'archive/a.mp4' }],
    ['a URL', 'status 200', 'uploader', { url: 'https://media.example.com/a.mp4' }],
  ] as const)('is registered, with %s, as %s', async (_what, code, role, source) => {
    const api = await apiUnder({}, undefined, role);
    const sources = [{ kind: 'movie', contentId: '1', ...source }];
    expect(await codeOf(await api.ask('PUT', '/v1/legacy/sources', { json: { sources } }))).toBe(code);
  });

  it('of one Idempotency-Key happens once, whatever the boundary', async () => {
    const api = await apiUnder({});
    const [id, key] = [freshId(), { 'Idempotency-Key': crypto.randomUUID() }];
    expect(await codeOf(await convert(api, 'movie', id, key))).toBe('not_found');
    await env.MEDIA.put(`movies/${id}.mp4`, CLIP);
    const first = await jobIdOf(await convert(api, 'movie', id, key));
    const encoded = { body: text(`content_id=${id}&content_type=movie`) };
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', ...key };
    const again = await api.ask('POST', CONVERT, { ...encoded, headers });
    expect(again.headers.get('Idempotency-Replayed')).toBe('true');
    expect(await jobIdOf(again)).toBe(first);
    expect(await codeOf(await convert(api, 'episode', id, key))).toBe('idempotency_key_reused');
  });
});
