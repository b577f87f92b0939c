// What unfinished uploads leave behind: no parts, no objects, no reserved quota, and a line in the log that
// counts them.
import { createExecutionContext, env } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CreatedUpload } from '../../shared/api.ts';
import type { Log, LogFields } from '../../shared/log.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { usageOf } from '../../worker/uploads/quota.ts';
import { purgeVideo } from '../../worker/videos/delete.ts';
import { type Client, clientOf, codeOf, ORIGIN, signJwt } from './api-client.ts';
import { apiUnder } from './api-under.ts';
import { create, multipartOf, sendPart, storedKeys, videoBytes } from './upload-steps.ts';

const NOTHING = { openUploads: 0, bytesToday: 0, storageBytes: 0 };

/** R2 that refuses to delete or abort anything. */
const CLINGING = {
  head: (key: string) => (env.MEDIA as R2Bucket).head(key),
  delete: () => Promise.reject(new Error('R2 is not itself today')),
  resumeMultipartUpload: () => ({ abort: () => Promise.reject(new Error('R2 is not itself today')) }),
};

/** What the cron says of its work; undefined when it had none. */
async function sweep(bindings: object = {}): Promise<LogFields | undefined> {
  let said: LogFields | undefined;
  const log: Log = {
    info: (event, fields) => {
      if (event === 'uploads.cleaned') said = fields;
    },
    warn: () => undefined,
    error: () => undefined,
    with: () => log,
  };
  await expireUploads({ ...env, ...bindings } as unknown as Env, log);
  return said;
}

function expireNow({ uploadId }: CreatedUpload): Promise<unknown> {
  return env.DB.prepare('UPDATE uploads SET expires_at = unixepoch() - 1 WHERE id = ?').bind(uploadId).run();
}

async function withPart(client: Client): Promise<CreatedUpload> {
  const created = await create(client, 100, { method: 'multipart' });
  await sendPart(client, created, 1, videoBytes(100));
  return created;
}

async function partRows({ uploadId }: CreatedUpload): Promise<number> {
  const row = await env.DB.prepare('SELECT count(*) AS n FROM upload_parts WHERE upload_id = ?')
    .bind(uploadId)
    .first<{ n: number }>();
  return row!.n;
}

describe('the cron', () => {
  beforeEach(async () => {
    await sweep(); // leaves the counts to the test's own uploads
  });

  it('counts what it has cleaned, and says nothing where there was nothing', async () => {
    const client = await clientOf();
    const [first, second, alive] = [await withPart(client), await withPart(client), await withPart(client)];
    await expireNow(first);
    await expireNow(second);
    expect(await sweep()).toEqual({
      ...{ expired: 2, aborted: 0, parts: 2, objects: 2, reservedBytes: 200, failed: 0 },
    });
    expect(await usageOf(env.DB, client.ownerId)).toMatchObject({ openUploads: 1, storageBytes: 100 });
    expect([await partRows(first), await partRows(second), await partRows(alive)]).toEqual([0, 0, 1]);
    expect(await sweep()).toBeUndefined();
  });

  it('tries until R2 lets go of the bytes, while the quota is back at once', async () => {
    const client = await clientOf();
    const created = await withPart(client);
    const multipart = await multipartOf(created);
    await expireNow(created);
    const nothingYet = { objects: 0, failed: 1 };
    expect(await sweep({ MEDIA: CLINGING })).toMatchObject({ expired: 1, reservedBytes: 100, ...nothingYet });
    expect(await usageOf(env.DB, client.ownerId)).toEqual(NOTHING);
    for (let run = 0; run < 2; run++) {
      expect(await sweep({ MEDIA: CLINGING })).toMatchObject({ expired: 0, reservedBytes: 0, ...nothingYet });
    }
    await multipart.uploadPart(1, videoBytes(100)); // R2 still holds it open
    expect(await sweep()).toMatchObject({ expired: 0, objects: 1, failed: 0 });
    await expect(multipart.uploadPart(1, videoBytes(100))).rejects.toThrow('10024');
    expect(await sweep()).toBeUndefined();
  });

  it('clears what an abort could not', async () => {
    const api = await apiUnder({ MEDIA: CLINGING });
    const client = await clientOf('admin', api.ownerId);
    const created = await withPart(client);
    expect((await api.ask('DELETE', `/v1/uploads/${created.uploadId}`)).status).toBe(204);
    expect(await usageOf(env.DB, client.ownerId)).toEqual(NOTHING);
    expect(await partRows(created)).toBe(0);
    expect(await sweep()).toEqual({
      ...{ expired: 0, aborted: 1, parts: 0, objects: 1, reservedBytes: 0, failed: 0 },
    });
  });
});

describe('an upload that ends well or badly', () => {
  it('gives back what was reserved when its file is no video', async () => {
    const client = await clientOf();
    const created = await create(client, 100);
    await sendPart(client, created, 1, new Uint8Array(100).fill(65));
    const path = `/v1/uploads/${created.uploadId}/complete`;
    expect(await client.code('POST', path, { json: {} })).toBe('media_not_video');
    expect(await usageOf(env.DB, client.ownerId)).toEqual(NOTHING);
    expect(await storedKeys(`sources/${created.videoId}/`)).toEqual([]);
    expect(await partRows(created)).toBe(0);
  });
});

describe('bytes that are still on their way', () => {
  it.each([
    ['are stored', false, 'status 204', 1],
    ['are deleted when the video has been purged meanwhile', true, 'not_found', 0],
  ])('%s', async (_, isPurged, code, objects) => {
    const client = await clientOf();
    const created = await create(client, 100);
    const { readable, writable } = new TransformStream<Uint8Array>();
    const headers = {
      Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}`,
      'Content-Length': '100',
    };
    const request = new Request(`${ORIGIN}/v1/uploads/${created.uploadId}/content`, {
      ...{ method: 'PUT', headers, body: readable },
    });
    const answer = createApp().request(request, undefined, env as Env, createExecutionContext() as never);
    const writer = writable.getWriter();
    const bytes = videoBytes(100);
    await writer.write(bytes.subarray(0, 50));
    if (isPurged) {
      await client.json(204, 'DELETE', `/v1/uploads/${created.uploadId}`);
      await purgeVideo(env as Env, created.videoId, { info() {}, warn() {}, error() {} } as unknown as Log);
    }
    await writer.write(bytes.subarray(50));
    await writer.close();
    expect(await codeOf(await answer)).toBe(code);
    expect(await storedKeys(`sources/${created.videoId}/`)).toHaveLength(objects);
  });
});
