// A declared SHA-256: of a `single` file R2 checks it as the bytes come in, of any other the transcoder before it
// publishes. Either way nothing is made of bytes that do not match.
import { env } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CreatedUpload, UploadMethod, Video } from '../../shared/api.ts';
import { createLog } from '../../shared/log.ts';
import type { Claim } from '../../shared/messages.ts';
import type { Env } from '../../worker/env.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { sha256Of } from '../support/sha256.ts';
import { type Client, clientOf } from './api-client.ts';
import { clearTasks, mustClaim, told } from './ledger-fixtures.ts';
import {
  complete,
  create,
  jobsOf,
  sendAll,
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

describe('a checksum that comes with a body', () => {
  const bytes = videoBytes(5000);
  const damaged = bytes.slice().fill(0, 4999);

  const put = (created: CreatedUpload, body: Uint8Array<ArrayBuffer>, headers: Record<string, string>) => {
    const rest = created.method === 'single' ? 'content' : 'parts/1';
    return [`/v1/uploads/${created.uploadId}/${rest}`, { body, headers }] as const;
  };

  it.each([
    ['multipart', 'Content-Digest', 'SHA-256'],
    ['multipart', 'Content-Digest', 'SHA-512'],
    ['multipart', 'Content-MD5', 'MD5'],
    ['single', 'Content-Digest', 'SHA-256'],
    ['single', 'Content-MD5', 'MD5'],
  ] as const)(
    'of a %s upload, as %s with %s, keeps out what does not match',
    async (method, name, algorithm) => {
      const client = await clientOf();
      const created = await create(client, bytes.length, { method });
      const base64 = await base64Of(algorithm, bytes);
      const headers = { [name]: name === 'Content-MD5' ? base64 : `${algorithm.toLowerCase()}=:${base64}:` };

      expect(await client.code('PUT', ...put(created, damaged, headers))).toBe('upload_checksum_mismatch');
      expect((await statusOf(client, created)).parts).toEqual([]);
      expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
      expect((await client.call('PUT', ...put(created, bytes, headers))).ok).toBe(true);
      expect((await statusOf(client, created)).receivedBytes).toBe(bytes.length);
      await complete(client, created);
    },
  );

  it('is the strongest of several, and one that nobody can check here is refused', async () => {
    const client = await clientOf();
    const created = await create(client, bytes.length, { method: 'multipart' });
    const weak = `sha-256=:${await base64Of('SHA-256', damaged)}:`;
    const strong = `sha-512=:${await base64Of('SHA-512', bytes)}:`;
    const of = (digest: string) => put(created, bytes, { 'Content-Digest': digest });
    expect(await client.code('PUT', ...of('crc32c=:AAAAAA==:'))).toBe('upload_checksum_unsupported');
    expect(await client.code('PUT', ...of(weak))).toBe('upload_checksum_mismatch');
    expect(await client.code('PUT', ...of(`crc32c=:AAAAAA==:, ${weak}, ${strong}`))).toBe('status 200');
  });

  it.each([
    ['Content-Digest', 'sha-256=abc'],
    ['Content-Digest', ''],
    ['Content-MD5', 'abc'],
    ['Content-MD5', 'd41d8cd98f00b204e9800998ecf8427e'],
  ])('is refused as malformed: %s: %s', async (name, value) => {
    const client = await clientOf();
    const created = await create(client, bytes.length, { method: 'multipart' });
    expect(await client.code('PUT', ...put(created, bytes, { [name]: value }))).toBe('invalid_request');
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

async function base64Of(algorithm: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest(algorithm, bytes))));
}
