// One contract for every upload method: however a file was handed over, exactly one job exists and the bytes
// match.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { CompletedUpload, Video } from '../../shared/api.ts';
import { createLog } from '../../shared/log.ts';
import { configOf, type Env } from '../../worker/env.ts';
import { settleUpload } from '../../worker/uploads/complete.ts';
import { uploadOf } from '../../worker/uploads/store.ts';
import { sha256Of } from '../support/sha256.ts';
import { clientOf } from './api-client.ts';
import { handOver } from './hand-over.ts';
import {
  complete,
  create,
  jobsOf,
  METHODS,
  multipartOf,
  partNumbers,
  partOf,
  sendAll,
  sendPart,
  sizeFor,
  statusOf,
  storedKeys,
  videoBytes,
} from './upload-steps.ts';

describe.each([...METHODS, 'import'] as const)('a file handed over by %s', (method) => {
  const bytes = videoBytes(sizeFor(method === 'import' ? 'multipart' : method));

  it('ends as one job on exactly the bytes that were sent', async () => {
    const { client, videoId, send, end } = await handOver(method, bytes);
    await send();
    const ended = await end();

    expect(ended.videoId).toBe(videoId);
    const [job, ...others] = await jobsOf(videoId);
    expect(others).toEqual([]);
    expect(job?.id).toBe(ended.jobId);
    const [key, ...otherKeys] = await storedKeys(`sources/${videoId}/`);
    expect(otherKeys).toEqual([]);
    const stored = await env.MEDIA.get(key!);
    expect(stored?.etag).toBe(job?.source_etag);
    expect(await sha256Of(await stored!.arrayBuffer())).toBe(await sha256Of(bytes));
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${videoId}`);
    expect(video).toMatchObject({ state: 'processing', job: { id: ended.jobId } });
  });

  it('answers a repeated end with the same job', async () => {
    const { videoId, send, end } = await handOver(method, bytes);
    await send();
    const first = await end();
    expect(await end()).toEqual(first);
    expect((await jobsOf(videoId)).map(({ id }) => id)).toEqual([first.jobId]);
  });

  it('makes one job of ends that are said at once', async () => {
    const { videoId, send, end } = await handOver(method, bytes);
    await send();
    const answers = await Promise.all(Array.from({ length: 4 }, end));
    const jobs = await jobsOf(videoId);
    expect(jobs).toHaveLength(1);
    expect(answers).toEqual(answers.map(() => ({ videoId, jobId: jobs[0]!.id })));
    expect(await storedKeys(`sources/${videoId}/`)).toHaveLength(1);
  });
});

describe.each(METHODS)('an upload by method %s', (method) => {
  const sizeBytes = sizeFor(method);
  const bytes = videoBytes(sizeBytes);

  it('shows what has arrived, and its title in the library', async () => {
    const client = await clientOf('uploader');
    const created = await create(client, sizeBytes, { method });
    expect(created.method).toBe(method);
    await sendAll(client, created, bytes);
    // tus has no word for completing: its last byte does.
    const state = method === 'tus' ? 'accepted' : 'receiving';
    expect(await statusOf(client, created)).toMatchObject({ state, receivedBytes: sizeBytes });
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${created.videoId}`);
    expect(video.title).toBe('holiday');
  });

  it('has no second job in it for a request with an old picture of it', async () => {
    const client = await clientOf();
    const created = await create(client, sizeBytes, { method });
    await sendAll(client, created, bytes);
    const old = await uploadOf(env.DB, created.uploadId, client.ownerId);
    const first = await complete(client, created);
    const config = configOf(env as Env);
    expect(await settleUpload(env as Env, config, old, createLog())).toEqual(first);
    expect(await jobsOf(created.videoId)).toHaveLength(1);
  });

  it('is not complete before the last part is there', async () => {
    const client = await clientOf();
    const created = await create(client, sizeBytes, { method });
    const last = created.partCount;
    for (const number of partNumbers(created).slice(0, -1)) {
      await sendPart(client, created, number, partOf(bytes, created, number));
    }
    const response = await client.call('POST', `/v1/uploads/${created.uploadId}/complete`, { json: {} });
    expect(await response.json()).toMatchObject({ code: 'upload_parts_missing', missing: [last] });
    expect(await jobsOf(created.videoId)).toEqual([]);

    await sendPart(client, created, last, partOf(bytes, created, last));
    await complete(client, created);
    expect(await jobsOf(created.videoId)).toHaveLength(1);
  });

  it('rejects a file that is no video, tells why again and keeps nothing of it', async () => {
    const client = await clientOf();
    const created = await create(client, sizeBytes, { method, filename: 'letter.mp4' });
    const text = new TextEncoder()
      .encode('Dear Sir or Madam, '.repeat(sizeBytes / 19 + 1))
      .slice(0, sizeBytes);
    await sendAll(client, created, text);
    const path = `/v1/uploads/${created.uploadId}/complete`;
    expect(await client.code('POST', path, { json: {} })).toBe('media_not_video');
    expect(await client.code('POST', path, { json: {} })).toBe('media_not_video');

    expect(await statusOf(client, created)).toMatchObject({ state: 'rejected' });
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${created.videoId}`);
    expect(video).toMatchObject({ state: 'failed', error: { code: 'media_not_video' } });
    expect(await jobsOf(created.videoId)).toEqual([]);
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
  });

  it('is nobody else’s business', async () => {
    const client = await clientOf();
    const stranger = await clientOf();
    const created = await create(client, sizeBytes, { method });
    const base = `/v1/uploads/${created.uploadId}`;
    expect(await stranger.code('GET', base)).toBe('not_found');
    expect(await stranger.code('PUT', `${base}/content`, { body: bytes })).toBe('not_found');
    expect(await stranger.code('PUT', `${base}/parts/1`, { body: partOf(bytes, created, 1) })).toBe(
      'not_found',
    );
    expect(await stranger.code('PUT', `${base}/parts/1/etag`, { json: { etag: 'x' } })).toBe('not_found');
    expect(await stranger.code('POST', `${base}/parts`, { json: { numbers: [1] } })).toBe('not_found');
    expect(await stranger.code('POST', `${base}/complete`, { json: {} })).toBe('not_found');
    expect(await stranger.code('DELETE', base)).toBe('not_found');
    expect(await statusOf(client, created)).toMatchObject({ state: 'created', receivedBytes: 0 });
  });

  it('takes nothing more after it was aborted, and its video has left the library', async () => {
    const client = await clientOf();
    const created = await create(client, sizeBytes, { method });
    await sendPart(client, created, 1, partOf(bytes, created, 1));
    const base = `/v1/uploads/${created.uploadId}`;
    await client.json(204, 'DELETE', base);
    await client.json(204, 'DELETE', base);
    expect(await client.code('POST', `${base}/complete`, { json: {} })).toBe('upload_not_open');
    expect(await client.code('GET', `/v1/videos/${created.videoId}`)).toBe('not_found');
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
  });

  it('cannot be aborted once it was accepted', async () => {
    const client = await clientOf();
    const created = await create(client, sizeBytes, { method });
    await sendAll(client, created, bytes);
    await complete(client, created);
    expect(await client.code('DELETE', `/v1/uploads/${created.uploadId}`)).toBe('upload_not_open');
    expect(await storedKeys(`sources/${created.videoId}/`)).toHaveLength(1);
  });
});

describe.each(['multipart', 'presigned'] as const)('completing an upload by method %s', (method) => {
  const bytes = videoBytes(sizeFor(method));

  it('goes on where a lost reply from storage left it', async () => {
    const client = await clientOf();
    const created = await create(client, bytes.length, { method });
    await sendAll(client, created, bytes);
    const { parts } = await statusOf(client, created);
    const multipart = await multipartOf(created);
    await multipart.complete(parts.map(({ number, etag }) => ({ partNumber: number, etag })));

    const { jobId } = await complete(client, created);
    expect((await jobsOf(created.videoId)).map((job) => job.id)).toEqual([jobId]);
  });

  it('refuses a wrong etag and works with the right one', async () => {
    const client = await clientOf();
    const created = await create(client, bytes.length, { method });
    await sendAll(client, created, bytes);
    const { parts } = await statusOf(client, created);
    const path = `/v1/uploads/${created.uploadId}/complete`;
    const right = parts.map(({ number, etag }) => ({ number, etag }));
    const wrong = right.map((part) => (part.number === 2 ? { ...part, etag: 'not-the-etag' } : part));
    expect(await client.code('POST', path, { json: { parts: wrong } })).toBe('upload_part_etag_mismatch');
    expect(await jobsOf(created.videoId)).toEqual([]);
    const { jobId } = await client.json<CompletedUpload>(200, 'POST', path, { json: { parts: right } });
    expect((await jobsOf(created.videoId)).map((job) => job.id)).toEqual([jobId]);
  });
});
