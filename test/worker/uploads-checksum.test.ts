// A declared SHA-256: of a `single` file R2 checks it as the bytes come in, of any other the transcoder before it
// publishes. Either way nothing is made of bytes that do not match.
import { env } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import type { UploadMethod, Video } from '../../shared/api.ts';
import { createLog } from '../../shared/log.ts';
import type { Claim } from '../../shared/messages.ts';
import type { Env } from '../../worker/env.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { type Client, clientOf } from './api-client.ts';
import { clearTasks, mustClaim, told } from './ledger-fixtures.ts';
import {
  complete,
  create,
  jobsOf,
  sendAll,
  sha256Of,
  sizeFor,
  statusOf,
  storedKeys,
  uploaded,
  videoBytes,
} from './upload-steps.ts';

beforeEach(clearTasks);

describe('a declared sha256 of a single file', () => {
  const bytes = videoBytes(sizeFor('single'));

  it('is checked as the bytes come in, and not again', async () => {
    const client = await clientOf();
    const bad = await create(client, bytes.length, { sha256: await sha256Of(videoBytes(16)) });
    const path = `/v1/uploads/${bad.uploadId}/content`;
    expect(await client.code('PUT', path, { body: bytes })).toBe('upload_checksum_mismatch');
    expect(await storedKeys(`sources/${bad.videoId}/`)).toEqual([]);

    const good = await create(client, bytes.length, { sha256: await sha256Of(bytes) });
    await sendAll(client, good, bytes);
    await complete(client, good);
    expect((await mustClaim()).job.source).not.toHaveProperty('sha256');
  });
});

describe.each(['multipart', 'presigned'] as const)('a declared sha256 of a %s upload', (method) => {
  it('goes to the transcoder with every job of the source, and an undeclared one does not', async () => {
    const client = await clientOf();
    const { sha256, jobId, videoId } = await uploadDeclaring(client, method);
    const first = await mustClaim();
    expect(first.job.source.sha256).toBe(sha256);
    await fail(first, 'media_malformed');
    const retried = await client.json<{ jobId: string }>(202, 'POST', `/v1/jobs/${jobId}/retry`);
    const second = await mustClaim();
    expect(second).toMatchObject({ task: { jobId: retried.jobId }, job: { source: { sha256 } } });
    await fail(second, 'media_malformed');
    await client.json(202, 'POST', `/v1/videos/${videoId}/transcode`, { json: {} });
    const third = await mustClaim();
    expect(third.job.source.sha256).toBe(sha256);
    await fail(third, 'media_malformed');

    await uploaded(client, videoBytes(sizeFor(method)), { method });
    expect((await mustClaim()).job.source).not.toHaveProperty('sha256');
  });
});

describe('a source found not to match its sha256', () => {
  it('fails job, video and upload under that name, and is deleted and never used again', async () => {
    const client = await clientOf();
    const created = await uploadDeclaring(client, 'multipart');
    const { videoId, jobId } = created;
    await fail(await mustClaim(), 'upload_checksum_mismatch');

    const video = await client.json<Video>(200, 'GET', `/v1/videos/${videoId}`);
    const error = { code: 'upload_checksum_mismatch', detail: 'As the transcoder said.' };
    expect(video).toMatchObject({ state: 'failed', error, job: { state: 'failed', error } });
    expect(await statusOf(client, created)).toMatchObject({ state: 'rejected' });
    expect(await client.code('POST', `/v1/uploads/${created.uploadId}/complete`, { json: {} })).toBe(
      'upload_checksum_mismatch',
    );
    expect(await client.code('POST', `/v1/jobs/${jobId}/retry`)).toBe('video_busy');
    expect(await client.code('POST', `/v1/videos/${videoId}/transcode`, { json: {} })).toBe('video_busy');
    expect(await client.code('GET', `/v1/videos/${videoId}/source`)).toBe('video_busy');
    expect(await jobsOf(videoId)).toHaveLength(1);

    await expireUploads(env as Env, createLog());
    expect(await storedKeys(`sources/${videoId}/`)).toEqual([]);
  });

  it('differs from a file that merely cannot be decoded, whose source stays', async () => {
    const client = await clientOf();
    const created = await uploadDeclaring(client, 'multipart');
    await fail(await mustClaim(), 'media_malformed');
    await expireUploads(env as Env, createLog());
    expect(await statusOf(client, created)).toMatchObject({ state: 'accepted' });
    expect(await storedKeys(`sources/${created.videoId}/`)).toHaveLength(1);
    expect(await client.code('POST', `/v1/jobs/${created.jobId}/retry`)).toBe('status 202');
  });
});

async function uploadDeclaring(client: Client, method: UploadMethod) {
  const bytes = videoBytes(sizeFor(method));
  const sha256 = await sha256Of(bytes);
  return { sha256, ...(await uploaded(client, bytes, { method, sha256 })) };
}

function fail(held: Claim, code: string): Promise<unknown> {
  return told('fail', held.jobToken, { kind: 'media', code, detail: 'As the transcoder said.' });
}
