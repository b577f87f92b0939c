import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { PresignedPart, UploadedPart, Video } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { clientOf, codeOf, ORIGIN, signJwt } from './api-client.ts';
import {
  complete,
  create,
  jobsOf,
  partOf,
  sendAll,
  sendPart,
  sizeFor,
  statusOf,
  storedKeys,
  uploaded,
  videoBytes,
} from './upload-steps.ts';

const SIZE = sizeFor('multipart');

describe('a part through the edge', () => {
  it('is refused with a byte too many or too few and taken with its own size', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    const part = videoBytes(created.partSizeBytes);
    const path = `/v1/uploads/${created.uploadId}/parts/1`;
    const longer = new Uint8Array(part.length + 1);
    expect(await client.code('PUT', path, { body: longer })).toBe('upload_part_size_mismatch');
    expect(await client.code('PUT', path, { body: part.subarray(1) })).toBe('upload_part_size_mismatch');
    expect((await statusOf(client, created)).parts).toEqual([]);
    const stored = await client.json<UploadedPart>(200, 'PUT', path, { body: part });
    expect(stored).toMatchObject({ number: 1, sizeBytes: part.length });
    expect((await statusOf(client, created)).parts).toEqual([stored]);
  });

  it('exists only between 1 and the last', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    const body = videoBytes(SIZE - 2 * created.partSizeBytes);
    for (const number of ['0', '4', '1.5', 'x', '-1']) {
      const code = await client.code('PUT', `/v1/uploads/${created.uploadId}/parts/${number}`, { body });
      expect(code, number).toBe('upload_part_number_invalid');
    }
    expect(await client.code('PUT', `/v1/uploads/${created.uploadId}/parts/3`, { body })).toBe('status 200');
  });

  it('may be sent again, and the last one counts', async () => {
    const client = await clientOf();
    const bytes = videoBytes(SIZE);
    const created = await create(client, SIZE, { method: 'multipart' });
    await sendPart(client, created, 2, new Uint8Array(created.partSizeBytes));
    await sendAll(client, created, bytes);
    await complete(client, created);
    const [key] = await storedKeys(`sources/${created.videoId}/`);
    const stored = new Uint8Array(await (await env.MEDIA.get(key!))!.arrayBuffer());
    expect(stored.subarray(8 * MIB, 8 * MIB + 64)).toEqual(bytes.subarray(8 * MIB, 8 * MIB + 64));
  });

  it('goes to the method the upload was created for', async () => {
    const client = await clientOf();
    const single = await create(client, 100);
    const multipart = await create(client, SIZE, { method: 'multipart' });
    const presigned = await create(client, SIZE, { method: 'presigned' });
    const path = (created: { uploadId: string }, rest: string) => `/v1/uploads/${created.uploadId}/${rest}`;
    const body = videoBytes(100);
    expect(await client.code('PUT', path(single, 'parts/1'), { body })).toBe('upload_wrong_method');
    expect(await client.code('PUT', path(multipart, 'content'), { body })).toBe('upload_wrong_method');
    expect(await client.code('PUT', path(presigned, 'parts/1'), { body })).toBe('upload_wrong_method');
    expect(await client.code('PUT', path(multipart, 'parts/1/etag'), { json: { etag: 'x' } })).toBe(
      'upload_wrong_method',
    );
    expect(await client.code('POST', path(multipart, 'parts'), { json: { numbers: [1] } })).toBe(
      'upload_wrong_method',
    );
    expect(await client.code('PUT', path(single, 'content'), { body })).toBe('status 204');
  });
});

describe('a body that is not as long as it says', () => {
  it.each([
    ['shorter', 60],
    ['longer', 140],
  ])('leaves nothing behind when it is %s', async (_, sentBytes) => {
    const client = await clientOf();
    const created = await create(client, 100);
    expect(await codeOf(await putLying(client.ownerId, created.uploadId, sentBytes))).toBe(
      'upload_size_mismatch',
    );
    expect((await statusOf(client, created)).receivedBytes).toBe(0);
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
    expect(await codeOf(await putLying(client.ownerId, created.uploadId, 100))).toBe('status 204');
    expect((await statusOf(client, created)).receivedBytes).toBe(100);
  });

  it('is refused without a Content-Length', async () => {
    const client = await clientOf();
    const created = await create(client, 100);
    expect(await codeOf(await putLying(client.ownerId, created.uploadId, 100, {}))).toBe(
      'upload_length_required',
    );
  });

  it('is refused above the edge’s limit before any byte is read', async () => {
    const client = await clientOf();
    const created = await create(client, 100);
    const headers = { 'Content-Length': String(95 * MIB + 1) };
    expect(await codeOf(await putLying(client.ownerId, created.uploadId, 100, headers))).toBe(
      'upload_body_too_large',
    );
  });

  /** Straight into the app: the runtime's own fetch would not send a length that is not true. */
  async function putLying(
    ownerId: string,
    uploadId: string,
    sentBytes: number,
    length?: Record<string, string>,
  ) {
    const { readable, writable } = new TransformStream<Uint8Array>();
    const request = new Request(`${ORIGIN}/v1/uploads/${uploadId}/content`, {
      method: 'PUT',
      headers: {
        Authorization: `Bearer ${await signJwt({ ownerId })}`,
        ...(length ?? { 'Content-Length': '100' }),
      },
      body: readable,
    });
    const writer = writable.getWriter();
    // Not awaited: a refused body is never read to its end.
    const written = writer.write(videoBytes(sentBytes)).then(() => writer.close());
    written.catch(() => undefined);
    return createApp().request(request, undefined, env as Env, createExecutionContext() as never);
  }
});

describe('presigned parts', () => {
  it('have URLs that sign the part’s length and live a quarter of an hour', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'presigned' });
    const { parts } = await client.json<{ parts: PresignedPart[] }>(
      200,
      'POST',
      `/v1/uploads/${created.uploadId}/parts`,
      { json: { numbers: [3] } },
    );
    const url = new URL(parts[0]!.url);
    expect(url.pathname).toBe(
      `/cdn-cgi/local/r2/s3/reelay-media/sources/${created.videoId}/${created.uploadId}`,
    );
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      partNumber: '3',
      'X-Amz-Expires': '900',
      'X-Amz-SignedHeaders': 'content-length;host',
    });
  });

  it('come fifty at a time', async () => {
    const client = await clientOf();
    const created = await create(client, 60 * 8 * MIB, { method: 'presigned' });
    expect(created.parts).toHaveLength(50);
    const path = `/v1/uploads/${created.uploadId}/parts`;
    const numbers = (count: number) => ({
      json: { numbers: Array.from({ length: count }, (_, i) => i + 1) },
    });
    expect(await client.code('POST', path, numbers(51))).toBe('invalid_request');
    expect(await client.code('POST', path, numbers(50))).toBe('status 200');
    expect(await client.code('POST', path, { json: { numbers: [61] } })).toBe('upload_part_number_invalid');
  });
});

describe('the cron', () => {
  const log = createLog();

  it('expires what was not completed in time and leaves the rest alone', async () => {
    const client = await clientOf();
    const late = await create(client, SIZE, { method: 'multipart' });
    const inTime = await create(client, SIZE, { method: 'multipart' });
    await sendPart(client, late, 1, partOf(videoBytes(SIZE), late, 1));
    await expireNow(late.uploadId);
    const path = `/v1/uploads/${late.uploadId}/parts/1`;
    expect(await client.code('PUT', path, { body: videoBytes(late.partSizeBytes) })).toBe('upload_expired');

    await expireUploads(env as Env, log);

    expect(await statusOf(client, late)).toMatchObject({ state: 'expired', parts: [] });
    expect(await statusOf(client, inTime)).toMatchObject({ state: 'created' });
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${late.videoId}`);
    expect(video).toMatchObject({ state: 'failed', error: { code: 'upload_expired' } });
    expect(await client.code('POST', `/v1/uploads/${late.uploadId}/complete`)).toBe('upload_expired');
  });

  it('finishes what a request left half-way', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    await sendAll(client, created, videoBytes(SIZE));
    await env.DB.prepare(`UPDATE uploads SET state = 'completing' WHERE id = ?`).bind(created.uploadId).run();

    await expireUploads(env as Env, log);

    expect(await statusOf(client, created)).toMatchObject({ state: 'accepted' });
    const [job] = await jobsOf(created.videoId);
    expect(await complete(client, created)).toEqual({ videoId: created.videoId, jobId: job!.id });
  });

  function expireNow(uploadId: string): Promise<unknown> {
    return env.DB.prepare('UPDATE uploads SET expires_at = unixepoch() - 1 WHERE id = ?')
      .bind(uploadId)
      .run();
  }
});

describe('who may upload', () => {
  it('are admins and uploaders, not viewers', async () => {
    const of = { json: { filename: 'a.mp4', sizeBytes: 5 } };
    expect(await (await clientOf('viewer')).code('POST', '/v1/uploads', of)).toBe('forbidden');
    expect(await (await clientOf('uploader')).code('POST', '/v1/uploads', of)).toBe('status 201');
    expect(await (await clientOf('admin')).code('POST', '/v1/uploads', of)).toBe('status 201');
  });

  it('sends a ticket for the new job', async () => {
    const { jobId } = await uploaded(await clientOf());
    const ticket = await env.DB.prepare(`SELECT state FROM tasks WHERE job_id = ? AND name = 'plan'`)
      .bind(jobId)
      .first();
    expect(ticket).toEqual({ state: 'ready' });
  });
});
