// What a tus upload has acknowledged, it holds: whatever dies, whoever hangs up, however long R2 is away.
import { env, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { UploadStatus } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { sha256Of } from '../support/sha256.ts';
import { type Client, clientOf } from './api-client.ts';
import {
  type Bytes,
  base64Of,
  begin,
  objectOf,
  offsetOf,
  openPatch,
  patch,
  refusalOf,
  rowOf,
  send,
  sendInChunks,
  storedBytes,
  tus,
  uploadIdOf,
} from './tus-steps.ts';
import { jobsOf, multipartOf, storedKeys, videoBytes } from './upload-steps.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The upload has become exactly these bytes and exactly one job. */
async function expectAccepted(path: string, bytes: Bytes): Promise<void> {
  const row = await rowOf(path);
  expect(row.state).toBe('accepted');
  expect((await jobsOf(String(row.video_id))).map((job) => job.id)).toEqual([row.job_id]);
  expect(await sha256Of(await storedBytes(path))).toBe(await sha256Of(bytes));
}

describe('the bytes of a tus upload', () => {
  it.each([
    ['1, 2 and 17 bytes', 300, [1, 2, 17]],
    ['anything up to 9 MiB', 17 * MIB + 12_345, [1, 9 * MIB, 17, 3 * MIB + 1, 2]],
    ['exactly a part', 2 * 8 * MIB, [8 * MIB]],
    ['one body', 300_000, [300_000]],
  ])('arrive in chunks of %s as they were sent', async (_what, sizeBytes, sizes) => {
    const client = await clientOf();
    const bytes = videoBytes(sizeBytes);
    const path = await begin(client, sizeBytes);
    const last = await sendInChunks(client, path, bytes, sizes);
    expect(last.headers.get('Reelay-Job-Id')).toBe((await rowOf(path)).job_id);
    await expectAccepted(path, bytes);
  });

  it('survive the end of their object after every chunk', async () => {
    const client = await clientOf();
    const bytes = videoBytes(18 * MIB + 7);
    const path = await begin(client, bytes.byteLength);
    for (const end of [1, 5 * MIB, 9 * MIB + 3, 17 * MIB, bytes.byteLength]) {
      const offset = await offsetOf(client, path);
      await send(client, path, offset, bytes.subarray(offset, end));
      await evictDurableObject(objectOf(path));
    }
    await expectAccepted(path, bytes);
  });

  it('stay when the client goes away in the middle of a body', async () => {
    const client = await clientOf();
    const bytes = videoBytes(3 * MIB);
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0, {
      'Content-Length': String(bytes.byteLength),
    });
    await writer.write(bytes.subarray(0, 2 * MIB + 5));
    await writer.abort(new Error('the client has gone'));
    await answer;
    expect(await offsetOf(client, path)).toBe(2 * MIB + 5);
    await send(client, path, 2 * MIB + 5, bytes.subarray(2 * MIB + 5));
    await expectAccepted(path, bytes);
  });

  it('stay when a client with a body of unknown length goes away', async () => {
    const client = await clientOf();
    const bytes = videoBytes(1000);
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0);
    await writer.write(bytes.subarray(0, 300));
    await writer.abort(new Error('the client has gone'));
    await answer;
    expect(await offsetOf(client, path)).toBe(300);
  });

  it('are none at all when a body of unknown length turns out too long', async () => {
    const client = await clientOf();
    const bytes = videoBytes(1000);
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0);
    const written = writer.write(videoBytes(1001)).then(() => writer.close());
    written.catch(() => undefined);
    expect(await refusalOf(await answer)).toBe('upload_size_exceeded');
    expect(await offsetOf(client, path)).toBe(0);

    const exact = await openPatch(client, path, 0);
    await exact.writer.write(bytes);
    await exact.writer.close();
    expect((await exact.answer).status).toBe(204);
    await expectAccepted(path, bytes);
  });
});

describe('a checksum', () => {
  const bytes = videoBytes(2 * MIB);
  const digestOf = async (name: string, data: Bytes) => base64Of(await crypto.subtle.digest(name, data));

  it.each([
    ['sha1', 'SHA-1'],
    ['sha256', 'SHA-256'],
    ['sha512', 'SHA-512'],
    ['md5', 'MD5'],
  ])(
    'by %s that does not hold leaves the upload as it was; one that holds lets it go on',
    async (name, subtle) => {
      const client = await clientOf();
      const path = await begin(client, bytes.byteLength);
      await send(client, path, 0, bytes.subarray(0, 100));
      const rest = bytes.subarray(100);
      const wrong = { 'Upload-Checksum': `${name} ${await digestOf(subtle, bytes)}` };
      const refused = await patch(client, path, 100, rest, wrong);
      expect([refused.status, await refusalOf(refused)]).toEqual([460, 'upload_chunk_checksum_mismatch']);
      expect(await offsetOf(client, path)).toBe(100);

      const right = { 'Upload-Checksum': `${name} ${await digestOf(subtle, rest)}` };
      expect((await patch(client, path, 100, rest, right)).status).toBe(204);
      await expectAccepted(path, bytes);
    },
  );

  it('counts a body cut short as none, also across the end of its object', async () => {
    const client = await clientOf();
    const path = await begin(client, bytes.byteLength);
    const checksum = { 'Upload-Checksum': `sha1 ${await digestOf('SHA-1', bytes)}` };
    const { writer, answer } = await openPatch(client, path, 0, {
      ...checksum,
      'Content-Length': String(bytes.byteLength),
    });
    await writer.write(bytes.subarray(0, MIB + 1));
    // What is staged does not count while it comes in.
    expect(await offsetOf(client, path)).toBe(0);
    await writer.abort(new Error('the client has gone'));
    await answer;
    await evictDurableObject(objectOf(path));
    expect(await offsetOf(client, path)).toBe(0);
    expect((await patch(client, path, 0, bytes, checksum)).status).toBe(204);
    await expectAccepted(path, bytes);
  });
});

describe('a deferred length', () => {
  const bytes = videoBytes(9 * MIB);

  it('is told as deferred until it is known, and then for good', async () => {
    const client = await clientOf();
    const path = await begin(client, null);
    await send(client, path, 0, bytes.subarray(0, 5 * MIB));
    const before = await tus(client, 'HEAD', path);
    expect(before.headers.get('Upload-Defer-Length')).toBe('1');
    expect(before.headers.has('Upload-Length')).toBe(false);
    expect(await client.code('POST', `/v1/uploads/${uploadIdOf(path)}/complete`)).toBe(
      'upload_parts_missing',
    );

    const declared = { 'Upload-Length': String(bytes.byteLength) };
    const response = await patch(client, path, 5 * MIB, bytes.subarray(5 * MIB, 6 * MIB), declared);
    expect(response.status).toBe(204);
    const after = await tus(client, 'HEAD', path);
    expect(after.headers.get('Upload-Length')).toBe(String(bytes.byteLength));
    expect(after.headers.has('Upload-Defer-Length')).toBe(false);
    const changed = { 'Upload-Length': String(bytes.byteLength + 1) };
    expect(await refusalOf(patch(client, path, 6 * MIB, bytes.subarray(6 * MIB), changed))).toBe(
      'invalid_request',
    );
    await send(client, path, 6 * MIB, bytes.subarray(6 * MIB));
    await expectAccepted(path, bytes);
    expect(await rowOf(path)).toMatchObject({ part_bytes: 8 * MIB, part_count: 2 });
  });

  it('cannot be less than what is held, nor more than is allowed, and an end without more bytes is an end', async () => {
    const client = await clientOf();
    const path = await begin(client, null);
    const some = bytes.subarray(0, 1000);
    await send(client, path, 0, some);
    const declare = (length: number | string) =>
      patch(client, path, 1000, '', { 'Content-Length': '0', 'Upload-Length': String(length) });
    expect(await refusalOf(declare(999))).toBe('invalid_request');
    expect(await refusalOf(declare(10 ** 15))).toBe('upload_too_large');
    expect((await declare(1000)).headers.has('Reelay-Job-Id')).toBe(true);
    await expectAccepted(path, some);
  });

  it('is counted by the quotas as it grows', async () => {
    const client = await clientOf();
    const path = await begin(client, null);
    await send(client, path, 0, bytes.subarray(0, 1000));
    expect(await rowOf(path)).toMatchObject({ size_bytes: 1000, is_length_deferred: 1 });
    const status = await client.json<UploadStatus>(200, 'GET', `/v1/uploads/${uploadIdOf(path)}`);
    expect(status).toMatchObject({ sizeBytes: 1000, receivedBytes: 1000, partCount: 0 });
  });
});

describe('when R2 is away', () => {
  it('bytes are taken all the same, and their part goes when it is back', async () => {
    const client = await clientOf();
    const bytes = videoBytes(18 * MIB);
    const path = await begin(client, bytes.byteLength);
    const put = breakUploads();
    await send(client, path, 0, bytes.subarray(0, 9 * MIB));
    expect(put).toHaveBeenCalled();
    const waiting = await patch(client, path, 9 * MIB, bytes.subarray(9 * MIB, 10 * MIB));
    expect([waiting.status, await refusalOf(waiting)]).toEqual([503, 'storage_unavailable']);
    expect(await offsetOf(client, path)).toBe(9 * MIB);
    vi.restoreAllMocks();
    await send(client, path, 9 * MIB, bytes.subarray(9 * MIB));
    await expectAccepted(path, bytes);
  });

  it('the last PATCH asks for a repeat, and the alarm finishes what no client comes back for', async () => {
    const client = await clientOf();
    const bytes = videoBytes(1000);
    const path = await begin(client, bytes.byteLength);
    breakUploads();
    expect(await refusalOf(patch(client, path, 0, bytes))).toBe('storage_unavailable');
    vi.restoreAllMocks();
    await evictDurableObject(objectOf(path));
    const alarm = await runInDurableObject(objectOf(path), (_object, state) => state.storage.getAlarm());
    expect(alarm! - Date.now()).toBeLessThan(60_000);
    expect(await runDurableObjectAlarm(objectOf(path))).toBe(true);
    await expectAccepted(path, bytes);
  });

  it('a client that comes back hears from HEAD that all is well', async () => {
    const client = await clientOf();
    const bytes = videoBytes(1000);
    const path = await begin(client, bytes.byteLength);
    breakUploads();
    await patch(client, path, 0, bytes);
    expect(await refusalOf(tus(client, 'HEAD', path))).toBe('storage_unavailable');
    vi.restoreAllMocks();
    const head = await tus(client, 'HEAD', path);
    expect(head.headers.get('Upload-Offset')).toBe('1000');
    expect(head.headers.get('Reelay-Job-Id')).toBe((await rowOf(path)).job_id);
    await expectAccepted(path, bytes);
  });

  it('a completion whose reply was lost is found out', async () => {
    const client = await clientOf();
    const bytes = videoBytes(1000);
    const path = await begin(client, bytes.byteLength);
    const row = await rowOf(path);
    const multipart = await multipartOf({ uploadId: row.id } as never);
    const original = env.MEDIA.resumeMultipartUpload.bind(env.MEDIA);
    vi.spyOn(env.MEDIA, 'resumeMultipartUpload').mockImplementation((key, id) => {
      const real = original(key, id);
      const complete = async (parts: R2UploadedPart[]) => {
        await multipart.complete(parts);
        throw new Error('completeMultipartUpload: We encountered an internal error. (10001)');
      };
      return new Proxy(real, {
        get: (target, name) =>
          name === 'complete' ? complete : (Reflect.get(target, name) as () => void).bind(target),
      });
    });
    await patch(client, path, 0, bytes);
    vi.restoreAllMocks();
    await tus(client, 'HEAD', path);
    await expectAccepted(path, bytes);
  });

  function breakUploads() {
    const original = env.MEDIA.resumeMultipartUpload.bind(env.MEDIA);
    const put = vi.fn(async (_number: number, body: ReadableStream) => {
      await body.cancel();
      throw new Error('uploadPart: We encountered an internal error. Please try again. (10001)');
    });
    vi.spyOn(env.MEDIA, 'resumeMultipartUpload').mockImplementation((key, id) => {
      return new Proxy(original(key, id), {
        get: (target, name) =>
          name === 'uploadPart' ? put : (Reflect.get(target, name) as () => void).bind(target),
      });
    });
    return put;
  }
});

describe('the end of an upload', () => {
  const bytes = videoBytes(9 * MIB);

  async function begun(client: Client): Promise<string> {
    const path = await begin(client, bytes.byteLength);
    await send(client, path, 0, bytes.subarray(0, 8 * MIB + 3));
    return path;
  }

  it('comes with its time: by its own alarm, leaving nothing', async () => {
    const client = await clientOf();
    const path = await begun(client);
    await env.DB.prepare('UPDATE uploads SET expires_at = unixepoch() - 1 WHERE id = ?')
      .bind(uploadIdOf(path))
      .run();
    expect(await refusalOf(patch(client, path, 8 * MIB + 3, bytes.subarray(8 * MIB + 3)))).toBe(
      'upload_expired',
    );
    expect(await runDurableObjectAlarm(objectOf(path))).toBe(true);
    await expectGone(client, path, 'expired', 'upload_expired');
  });

  it('does not come while there is time left', async () => {
    const client = await clientOf();
    const path = await begun(client);
    expect(await runDurableObjectAlarm(objectOf(path))).toBe(true);
    await send(client, path, 8 * MIB + 3, bytes.subarray(8 * MIB + 3));
    await expectAccepted(path, bytes);
  });

  it('comes with DELETE, leaving nothing', async () => {
    const client = await clientOf();
    const path = await begun(client);
    expect((await tus(client, 'DELETE', path)).status).toBe(204);
    await expectGone(client, path, 'aborted', 'upload_terminated');
    expect(await refusalOf(tus(client, 'DELETE', path))).toBe('upload_terminated');
  });

  it('comes with DELETE of the upload by its other name too', async () => {
    const client = await clientOf();
    const path = await begun(client);
    await client.json(204, 'DELETE', `/v1/uploads/${uploadIdOf(path)}`);
    await expectGone(client, path, 'aborted', 'upload_terminated');
  });

  it('comes over a client that is still sending', async () => {
    const client = await clientOf();
    const path = await begin(client, bytes.byteLength);
    const { writer, answer } = await openPatch(client, path, 0, {
      'Content-Length': String(bytes.byteLength),
    });
    await writer.write(bytes.subarray(0, 2 * MIB));
    expect((await tus(client, 'DELETE', path)).status).toBe(204);
    writer.close().catch(() => undefined);
    expect(await refusalOf(await answer)).toBe('upload_terminated');
    await expectGone(client, path, 'aborted', 'upload_terminated');
  });

  it('cannot come once the bytes are a video’s', async () => {
    const client = await clientOf();
    const path = await begun(client);
    await send(client, path, 8 * MIB + 3, bytes.subarray(8 * MIB + 3));
    expect(await refusalOf(tus(client, 'DELETE', path))).toBe('upload_not_open');
    await expectAccepted(path, bytes);
  });

  async function expectGone(client: Client, path: string, state: string, code: string): Promise<void> {
    const row = await rowOf(path);
    expect(row).toMatchObject({ state, has_leftovers: 0 });
    expect(await storedKeys(`sources/${row.video_id}/`)).toEqual([]);
    const multipart = await multipartOf({ uploadId: row.id } as never);
    await expect(multipart.uploadPart(1, bytes.subarray(0, 10))).rejects.toThrow('10024');
    expect(await objectOf(path).heldBytes()).toBe(0);
    await evictDurableObject(objectOf(path));
    expect(await objectOf(path).heldBytes()).toBe(0);
    const head = await tus(client, 'HEAD', path);
    expect([head.status, await refusalOf(head)]).toEqual([410, code]);
    expect(head.headers.has('Upload-Offset')).toBe(false);
  }
});
