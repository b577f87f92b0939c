// What becomes of an upload's bytes when it ends badly, above all while R2 does not answer.
import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { CreatedUpload } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { createLog } from '../../shared/log.ts';
import { createApp } from '../../worker/app.ts';
import { configOf, type Env } from '../../worker/env.ts';
import { settleUpload } from '../../worker/uploads/complete.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { putContent } from '../../worker/uploads/parts.ts';
import { failUpload, type UploadRow, uploadOf } from '../../worker/uploads/store.ts';
import { clientOf, ORIGIN, signJwt } from './api-client.ts';
import {
  create,
  jobsOf,
  multipartOf,
  partOf,
  sendAll,
  sendPart,
  sizeFor,
  statusOf,
  storedKeys,
  videoBytes,
} from './upload-steps.ts';

const log = createLog();
const SIZE = sizeFor('multipart');

/** R2 that answers reads and refuses to delete or abort anything. */
const CLINGING = { ...env, MEDIA: clinging(env.MEDIA as R2Bucket) } as unknown as Env;

describe('the bytes of an upload that expired', () => {
  it('are deleted by a later run when R2 failed in the first, which went on with the others', async () => {
    const client = await clientOf();
    const [first, second] = [await create(client, 100), await create(client, 100)];
    await sendAll(client, first, videoBytes(100));
    await expireNow(first);
    await expireNow(second);

    await expireUploads(CLINGING, log);
    expect(await statusOf(client, first)).toMatchObject({ state: 'expired' });
    expect(await statusOf(client, second)).toMatchObject({ state: 'expired' });
    expect(await storedKeys(`sources/${first.videoId}/`)).toHaveLength(1);

    await expireUploads(env as Env, log);
    expect(await storedKeys(`sources/${first.videoId}/`)).toEqual([]);
    expect(await hasLeftovers(first)).toBe(false);
  });
});

describe('aborting an upload', () => {
  it('is done when R2 fails, and the cron aborts the multipart upload', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    const part = partOf(videoBytes(SIZE), created, 1);
    await sendPart(client, created, 1, part);
    const multipart = await multipartOf(created);

    const request = new Request(`${ORIGIN}/v1/uploads/${created.uploadId}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}` },
    });
    const answer = await createApp().request(request, undefined, CLINGING, createExecutionContext() as never);
    expect(answer.status).toBe(204);
    expect(await statusOf(client, created)).toMatchObject({ state: 'aborted' });
    await multipart.uploadPart(1, part); // R2 still holds it open

    await expireUploads(env as Env, log);
    await expect(multipart.uploadPart(1, part)).rejects.toThrow('10024');
  });
});

describe('an upload whose time ends while it completes', () => {
  it('is not expired by a cron that saw it before', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    await sendAll(client, created, videoBytes(SIZE));
    const seen = await uploadOf(env.DB, created.uploadId, client.ownerId);
    await env.DB.prepare(`UPDATE uploads SET state = 'completing' WHERE id = ?`).bind(created.uploadId).run();
    await expireNow(created);

    const error = new AppError('upload_expired');
    const from: ['created', 'receiving'] = ['created', 'receiving'];
    expect(await failUpload(env.DB, seen, { from, to: 'expired', error })).toBe(false);
    await expireUploads(env as Env, log);
    expect(await statusOf(client, created)).toMatchObject({ state: 'accepted' });
    expect(await jobsOf(created.videoId)).toHaveLength(1);
  });

  it('is expired when its object cannot be found, and what there was after all is deleted', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    await sendAll(client, created, videoBytes(SIZE));
    await env.DB.prepare(`UPDATE uploads SET state = 'completing' WHERE id = ?`).bind(created.uploadId).run();
    await expireNow(created);
    const lost = { ...env, MEDIA: withoutObjects(env.MEDIA as R2Bucket) } as unknown as Env;
    await expireUploads(lost, log);
    expect(await statusOf(client, created)).toMatchObject({ state: 'expired' });
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
  });
});

describe('bytes that arrive after the end', () => {
  const config = configOf(env as Env);

  it('of a single file are deleted, and those of an open upload kept', async () => {
    const client = await clientOf();
    const [ended, open] = [await create(client, 100), await create(client, 100)];
    const put = async (created: CreatedUpload, seen: UploadRow) => {
      const headers = { 'Content-Length': '100' };
      const request = new Request(ORIGIN, { method: 'PUT', headers, body: videoBytes(100) });
      await putContent(env as Env, config, seen, request, log);
      return storedKeys(`sources/${created.videoId}/`);
    };
    // As the request saw it that was still reading when the upload was given up.
    const seen = await uploadOf(env.DB, ended.uploadId, client.ownerId);
    await client.json(204, 'DELETE', `/v1/uploads/${ended.uploadId}`);
    await expect(put(ended, seen)).rejects.toMatchObject({ code: 'upload_not_open' });
    expect(await storedKeys(`sources/${ended.videoId}/`)).toEqual([]);
    expect(await put(open, await uploadOf(env.DB, open.uploadId, client.ownerId))).toHaveLength(1);
  });

  it('as parts put together are deleted', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method: 'multipart' });
    await sendAll(client, created, videoBytes(SIZE));
    const seen = await uploadOf(env.DB, created.uploadId, client.ownerId);
    await env.DB.prepare(`UPDATE uploads SET state = 'expired' WHERE id = ?`).bind(created.uploadId).run();
    await expect(settleUpload(env as Env, config, seen, log)).rejects.toMatchObject({
      code: 'upload_expired',
    });
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
  });
});

describe('ten thousand parts', () => {
  it('are listed and completed in one request each', async () => {
    const client = await clientOf();
    const count = 10_000;
    const partBytes = 8 * 1024 * 1024;
    const created = await create(client, count * partBytes, { method: 'presigned' });
    expect(created.partCount).toBe(count);
    const parts = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      etag: `"${String(index).padStart(32, '0')}"`,
    }));
    let completed: R2UploadedPart[] = [];
    const MEDIA = {
      resumeMultipartUpload: () => ({
        complete: async (list: R2UploadedPart[]) => {
          completed = list;
        },
      }),
      head: async (key: string) => ({
        key,
        size: count * partBytes,
        etag: 'e',
        customMetadata: { uploadId: created.uploadId },
      }),
      get: async () => ({ body: true, arrayBuffer: async () => videoBytes(64 * 1024).buffer }),
    };
    const headers = { Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}` };
    const request = new Request(`${ORIGIN}/v1/uploads/${created.uploadId}/complete`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ parts }),
    });
    const bindings = { ...env, MEDIA } as unknown as Env;
    const answer = await createApp().request(request, undefined, bindings, createExecutionContext() as never);
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect(completed).toHaveLength(count);
    expect(completed.at(-1)).toEqual({ partNumber: count, etag: String(count - 1).padStart(32, '0') });

    const status = await statusOf(client, created);
    expect(status).toMatchObject({ state: 'accepted', receivedBytes: count * partBytes });
    expect(status.parts).toHaveLength(count);
  });

  it('do not let a body through that D1 could not take as one value', async () => {
    const client = await clientOf();
    const created = await create(client, 10_000 * 8 * 1024 * 1024, { method: 'presigned' });
    const path = `/v1/uploads/${created.uploadId}/complete`;
    const parts = (etagChars: number) => ({
      parts: Array.from({ length: 9999 }, (_, index) => ({
        number: index + 1,
        etag: 'x'.repeat(etagChars),
      })),
    });
    expect(await client.code('POST', path, { json: parts(90) })).toBe('upload_body_too_large');
    expect(await client.code('POST', path, { json: parts(70) })).toBe('upload_parts_missing');
  });
});

function clinging(bucket: R2Bucket): object {
  const refuse = async () => {
    throw new Error('delete: We encountered an internal error. Please try again. (10001)');
  };
  return {
    head: (key: string) => bucket.head(key),
    get: (key: string, options: R2GetOptions) => bucket.get(key, options),
    delete: refuse,
    resumeMultipartUpload: () => ({ abort: refuse }),
  };
}

/** R2 that has lost the object though the parts were put together. */
function withoutObjects(bucket: R2Bucket): object {
  return {
    head: async () => null,
    delete: (key: string) => bucket.delete(key),
    resumeMultipartUpload: (key: string, id: string) => {
      const multipart = bucket.resumeMultipartUpload(key, id);
      return { complete: multipart.complete.bind(multipart), abort: multipart.abort.bind(multipart) };
    },
  };
}

function expireNow({ uploadId }: CreatedUpload): Promise<unknown> {
  return env.DB.prepare('UPDATE uploads SET expires_at = unixepoch() - 1 WHERE id = ?').bind(uploadId).run();
}

async function hasLeftovers({ uploadId }: CreatedUpload): Promise<boolean> {
  const row = await env.DB.prepare('SELECT has_leftovers AS has FROM uploads WHERE id = ?')
    .bind(uploadId)
    .first<{ has: number }>();
  return row?.has === 1;
}
