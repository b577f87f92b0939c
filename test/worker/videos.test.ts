import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import type { Video, VideoList } from '../../shared/api.ts';
import { createLog } from '../../shared/log.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import { clientOf, ORIGIN, signJwt } from './api-client.ts';
import { create, jobsOf, storedKeys, uploaded, videoBytes } from './upload-steps.ts';

describe('the library', () => {
  it('lists an owner’s own videos, newest first, page by page', async () => {
    const client = await clientOf();
    const ids = [];
    for (let index = 0; index < 5; index++) ids.push((await create(client, 10 + index)).videoId);
    // Three of them in the same second, so that the id has to decide.
    for (const [index, id] of ids.entries()) {
      await env.DB.prepare('UPDATE videos SET created_at = ? WHERE id = ?')
        .bind(1000 + Math.max(0, index - 2), id)
        .run();
    }
    const all = await client.json<VideoList>(200, 'GET', '/v1/videos');
    expect(all.nextCursor).toBeUndefined();
    expect(new Set(all.videos.map((video) => video.id))).toEqual(new Set(ids));
    expect(all.videos.map((video) => video.id).slice(0, 2)).toEqual([ids[4], ids[3]]);

    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = cursor === undefined ? '' : `&cursor=${cursor}`;
      const page = await client.json<VideoList>(200, 'GET', `/v1/videos?limit=2${query}`);
      seen.push(...page.videos.map((video) => video.id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(all.videos.map((video) => video.id));

    const stranger = await clientOf();
    expect(await stranger.json(200, 'GET', '/v1/videos')).toEqual({ videos: [] });
  });

  it('asks the database as often for five videos as for one, and no room at all', async () => {
    const client = await clientOf();
    const jobs = [];
    for (let index = 0; index < 5; index++) jobs.push((await uploaded(client)).jobId);
    await env.DB.prepare(`UPDATE jobs SET state = 'running' WHERE id IN (SELECT value FROM json_each(?))`)
      .bind(JSON.stringify(jobs))
      .run();
    const asked = async (limit: number) => {
      const prepare = vi.fn((sql: string) => env.DB.prepare(sql));
      const bindings = { ...env, DB: { prepare }, PROGRESS_ROOMS: undefined } as unknown as Env;
      const headers = { Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}` };
      const path = `${ORIGIN}/v1/videos?limit=${limit}`;
      const answer = await createApp().request(
        path,
        { headers },
        bindings,
        createExecutionContext() as never,
      );
      const { videos } = await answer.json<VideoList>();
      for (const { job, id } of videos) expect(job).toMatchObject({ videoId: id, state: 'running' });
      expect(videos).toHaveLength(limit);
      return prepare.mock.calls.length;
    };
    expect(await asked(5)).toBe(await asked(1));
  });

  it('filters by state, kind, title and content id', async () => {
    const client = await clientOf();
    const contentId = `c-${crypto.randomUUID()}`;
    const film = await create(client, 10, { video: { title: 'The 100% Film_', kind: 'movie', contentId } });
    const clip = await create(client, 10, { video: { title: 'A clip' } });
    const found = async (query: string) =>
      (await client.json<VideoList>(200, 'GET', `/v1/videos?${query}`)).videos.map((video) => video.id);
    expect(await found('kind=movie')).toEqual([film.videoId]);
    expect(await found('state=ready')).toEqual([]);
    expect(await found('state=uploading&kind=video')).toEqual([clip.videoId]);
    expect(await found('q=100%25%20film_')).toEqual([film.videoId]);
    expect(await found('q=%25')).toEqual([film.videoId]);
    expect(await found(`q=${contentId}`)).toEqual([film.videoId]);
    expect(await found(`q=${encodeURIComponent('ü'.repeat(100))}`)).toEqual([]);
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'cursor=x', 'cursor=W10', 'state=lost', 'kind=song'])(
    'refuses the query %s',
    async (query) => {
      const client = await clientOf();
      expect(await client.code('GET', `/v1/videos?${query}`)).toBe('invalid_request');
      expect(await client.code('GET', '/v1/videos?limit=100&state=ready&kind=movie')).toBe('status 200');
    },
  );
});

describe('a video', () => {
  it('carries what its owner said of it and can be changed', async () => {
    const client = await clientOf();
    const video = { title: 'One', kind: 'episode', tags: ['a'], regions: ['DE'], visibility: 'public' };
    const { videoId } = await create(client, 10, { video });
    const path = `/v1/videos/${videoId}`;
    expect(await client.json<Video>(200, 'GET', path)).toMatchObject({ ...video, state: 'uploading' });
    const patched = await client.json<Video>(200, 'PATCH', path, { json: { title: 'Two', tags: [] } });
    expect(patched).toMatchObject({ ...video, title: 'Two', tags: [] });
    expect(await client.json<Video>(200, 'GET', path)).toEqual(patched);
    expect(await client.code('PATCH', path, { json: { title: '' } })).toBe('invalid_request');
    expect(await client.code('PATCH', path, { json: { kind: 'movie' } })).toBe('invalid_request');
  });

  it('is not there for other owners', async () => {
    const { videoId } = await uploaded(await clientOf());
    const stranger = await clientOf();
    const path = `/v1/videos/${videoId}`;
    expect(await stranger.code('GET', path)).toBe('not_found');
    expect(await stranger.code('PATCH', path, { json: { title: 'mine' } })).toBe('not_found');
    expect(await stranger.code('DELETE', path)).toBe('not_found');
    expect(await stranger.code('GET', `${path}/source`)).toBe('not_found');
    expect(await stranger.code('POST', `${path}/transcode`, { json: {} })).toBe('not_found');
    expect(await jobsOf(videoId)).toHaveLength(1);
  });

  it('may be read by viewers and managed by uploaders', async () => {
    const admin = await clientOf();
    const { videoId } = await uploaded(admin);
    const viewer = await clientOf('viewer', admin.ownerId);
    const uploader = await clientOf('uploader', admin.ownerId);
    const path = `/v1/videos/${videoId}`;
    expect(await viewer.code('GET', path)).toBe('status 200');
    expect(await viewer.code('PATCH', path, { json: { title: 'x' } })).toBe('forbidden');
    expect(await viewer.code('DELETE', path)).toBe('forbidden');
    expect(await viewer.code('GET', `${path}/source`)).toBe('forbidden');
    expect(await viewer.code('POST', `${path}/transcode`, { json: {} })).toBe('forbidden');
    expect(await uploader.code('PATCH', path, { json: { title: 'x' } })).toBe('status 200');
  });
});

describe('the source', () => {
  it('comes back as the bytes that were sent, as a download under its name', async () => {
    const client = await clientOf();
    const bytes = videoBytes(30_000);
    const { videoId } = await uploaded(client, bytes, { filename: '../häuser "1".mp4' });
    const response = await client.call('GET', `/v1/videos/${videoId}/source`);
    expect(response.status).toBe(200);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '30000',
      'x-content-type-options': 'nosniff',
      'content-disposition': `attachment; filename="h_user _1_.mp4"; filename*=UTF-8''h%C3%A4user%20%221%22.mp4`,
    });
  });

  it('is described to a HEAD and not sent', async () => {
    const client = await clientOf();
    const { videoId } = await uploaded(client, videoBytes(30_000));
    const response = await client.call('HEAD', `/v1/videos/${videoId}/source`);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Length')).toBe('30000');
    expect(await response.text()).toBe('');
  });

  it('is not there before the upload is complete', async () => {
    const client = await clientOf();
    const { videoId } = await create(client, 10);
    expect(await client.code('GET', `/v1/videos/${videoId}/source`)).toBe('video_busy');
  });
});

describe('transcoding again', () => {
  it('makes one more job on the stored source, with the options of the request over the video’s', async () => {
    const client = await clientOf();
    const { videoId, jobId } = await uploaded(client, undefined, {
      video: { segmentSeconds: 4, preset: 'fast' },
    });
    await endJob(jobId);
    const path = `/v1/videos/${videoId}/transcode`;
    const again = await client.json<{ jobId: string }>(202, 'POST', path, { json: { preset: 'slow' } });
    const job = await env.DB.prepare('SELECT seq, options, source_key, output_prefix FROM jobs WHERE id = ?')
      .bind(again.jobId)
      .first<{ seq: number; options: string; source_key: string; output_prefix: string }>();
    expect(job).toMatchObject({ seq: 2, output_prefix: `hls/videos/${videoId}/${again.jobId}/` });
    expect(await storedKeys(job!.source_key)).toEqual([job!.source_key]);
    expect(JSON.parse(job!.options)).toMatchObject({ segmentSeconds: 4, preset: 'slow' });
  });

  it('waits for the job before it, and of two requests at once one wins', async () => {
    const client = await clientOf();
    const { videoId, jobId } = await uploaded(client);
    const transcode = () => client.code('POST', `/v1/videos/${videoId}/transcode`, { json: {} });
    expect(await transcode()).toBe('video_busy');
    await endJob(jobId);
    expect((await Promise.all([transcode(), transcode()])).sort()).toEqual(['status 202', 'video_busy']);
    expect(await jobsOf(videoId)).toHaveLength(2);
  });

  it('needs a source, and a private video to be protected', async () => {
    const client = await clientOf();
    const { videoId } = await create(client, 10);
    const path = `/v1/videos/${videoId}/transcode`;
    expect(await client.code('POST', path, { json: {} })).toBe('video_busy');
    const done = await uploaded(client);
    await endJob(done.jobId);
    const again = `/v1/videos/${done.videoId}/transcode`;
    const visible = (visibility: string) =>
      client.json(200, 'PATCH', `/v1/videos/${done.videoId}`, { json: { visibility } });
    await visible('public');
    expect(await client.code('POST', again, { json: { protection: 'cenc' } })).toBe(
      'protection_not_available',
    );
    await visible('private');
    expect(await client.code('POST', again, { json: { protection: 'cenc' } })).toBe('status 202');
  });

  function endJob(jobId: string): Promise<unknown> {
    return env.DB.prepare(`UPDATE jobs SET state = 'failed', finished_at = unixepoch() WHERE id = ?`)
      .bind(jobId)
      .run();
  }
});

describe('deleting a video', () => {
  const log = createLog();

  it('takes the id away at once, and its job, objects and rows after it', async () => {
    const client = await clientOf();
    const { videoId, jobId, uploadId } = await uploaded(client);
    const other = await uploaded(client);
    await env.MEDIA.put(`hls/videos/${videoId}/${jobId}/stream_240p_000.m4s`, 'segment');
    await env.MEDIA.put(`work/${jobId}/plan.json`, '{}');

    await client.json(204, 'DELETE', `/v1/videos/${videoId}`);
    expect(await client.code('GET', `/v1/videos/${videoId}`)).toBe('not_found');
    expect(await client.code('DELETE', `/v1/videos/${videoId}`)).toBe('not_found');
    const { videos } = await client.json<VideoList>(200, 'GET', '/v1/videos');
    expect(videos.map((video) => video.id)).toEqual([other.videoId]);

    await purgeDeleted(env as Env, log);
    expect(await storedKeys(`sources/${videoId}/`)).toEqual([]);
    expect(await storedKeys(`hls/videos/${videoId}/`)).toEqual([]);
    expect(await storedKeys(`work/${jobId}/`)).toEqual([]);
    expect(await jobsOf(videoId)).toEqual([]);
    expect(await rowOf('videos', videoId)).toBeNull();
    expect(await rowOf('uploads', uploadId)).toBeNull();
    expect(await storedKeys(`sources/${other.videoId}/`)).toHaveLength(1);
    expect(await jobsOf(other.videoId)).toHaveLength(1);
  });

  it('keeps the rows while a transcoder may still be writing, and deletes what it writes', async () => {
    const client = await clientOf();
    const { videoId, jobId } = await uploaded(client);
    await env.DB.prepare(`UPDATE jobs SET state = 'running', started_at = unixepoch() WHERE id = ?`)
      .bind(jobId)
      .run();
    await client.json(204, 'DELETE', `/v1/videos/${videoId}`);
    await purgeDeleted(env as Env, log);
    expect(await rowOf('jobs', jobId)).toMatchObject({ state: 'cancelled' });

    await env.MEDIA.put(`hls/videos/${videoId}/${jobId}/stream_240p_001.m4s`, 'late segment');
    await env.DB.prepare('UPDATE jobs SET finished_at = unixepoch() - 3600 WHERE id = ?').bind(jobId).run();
    await purgeDeleted(env as Env, log);
    expect(await storedKeys(`hls/videos/${videoId}/`)).toEqual([]);
    expect(await rowOf('jobs', jobId)).toBeNull();
  });

  it('ends an upload that is under way', async () => {
    const client = await clientOf();
    const created = await create(client, 20 * 1024 * 1024, { method: 'multipart' });
    const body = videoBytes(created.partSizeBytes);
    const path = `/v1/uploads/${created.uploadId}/parts/1`;
    await client.json(200, 'PUT', path, { body });
    await client.json(204, 'DELETE', `/v1/videos/${created.videoId}`);
    expect(['upload_not_open', 'not_found']).toContain(await client.code('PUT', path, { body }));
    await purgeDeleted(env as Env, log);
    expect(await client.code('PUT', path, { body })).toBe('not_found');
  });

  function rowOf(table: 'videos' | 'uploads' | 'jobs', id: string): Promise<Record<string, unknown> | null> {
    return env.DB.prepare(`SELECT * FROM ${table} WHERE id = ?`).bind(id).first();
  }
});
