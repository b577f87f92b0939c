// What /v1/tus answers, by the protocol's own words: https://tus.io/protocols/resumable-upload
import { env } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import type { UploadStatus, Video } from '../../shared/api.ts';
import { EDGE_BODY_LIMIT_BYTES, GIB, MIB } from '../../shared/limits.ts';
import { type Client, clientOf } from './api-client.ts';
import {
  begin,
  CHUNK_TYPE,
  metadataOf,
  offsetOf,
  patch,
  refusalOf,
  rowOf,
  send,
  tus,
  uploadIdOf,
} from './tus-steps.ts';
import { jobsOf, storedKeys, videoBytes } from './upload-steps.ts';

const SIZE = 1000;
const bytes = videoBytes(SIZE);

let client: Client;
beforeAll(async () => {
  client = await clientOf('uploader');
});

describe('OPTIONS', () => {
  it.each(['/v1/tus', '/v1/tus/some-upload'])(
    'tells what the server can do at %s, to anybody',
    async (path) => {
      const response = await client.call('OPTIONS', path, { headers: { Authorization: '' } });
      expect(response.status).toBe(204);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-extension':
          'creation,creation-with-upload,creation-defer-length,expiration,termination,checksum',
        'tus-max-size': String(900 * GIB),
        'tus-checksum-algorithm': 'sha1,sha256,sha512,md5',
      });
    },
  );
});

describe('the version', () => {
  it.each([
    ['POST', '/v1/tus'],
    ['HEAD', '/v1/tus/x'],
    ['PATCH', '/v1/tus/x'],
    ['DELETE', '/v1/tus/x'],
  ])('is asked of every %s, and the answer names it', async (method, path) => {
    const wrong: Record<string, string>[] = [{}, { 'Tus-Resumable': '0.2.2' }];
    for (const headers of wrong) {
      const response = await client.call(method, path, { headers });
      expect(response.status).toBe(412);
      expect(await refusalOf(response)).toBe('tus_version_unsupported');
      expect(response.headers.get('Tus-Version')).toBe('1.0.0');
      expect(response.headers.get('Tus-Resumable')).toBe('1.0.0');
    }
    const twin = await tus(client, method, path);
    expect(twin.status).not.toBe(412);
    expect(twin.headers.get('Tus-Resumable')).toBe('1.0.0');
  });
});

describe('a creation', () => {
  it('answers where the upload is, what it is for and when it ends', async () => {
    const response = await tus(client, 'POST', '/v1/tus', { 'Upload-Length': String(SIZE) });
    expect(response.status).toBe(201);
    expect(response.headers.get('Location')).toMatch(/^\/v1\/tus\/[0-9a-f-]{36}$/);
    expect(response.headers.get('Reelay-Video-Id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.has('Reelay-Job-Id')).toBe(false);
    const expires = new Date(response.headers.get('Upload-Expires')!);
    expect(expires.toUTCString()).toBe(response.headers.get('Upload-Expires'));
    expect(expires.getTime() - Date.now()).toBeGreaterThan(59 * 60_000);
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['without a length', {}, 400, 'invalid_request'],
    ['with two', { 'Upload-Length': '5', 'Upload-Defer-Length': '1' }, 400, 'invalid_request'],
    ['with a length below zero', { 'Upload-Length': '-1' }, 400, 'invalid_request'],
    ['with a length that is no integer', { 'Upload-Length': '1e3' }, 400, 'invalid_request'],
    ['with Upload-Defer-Length: 2', { 'Upload-Defer-Length': '2' }, 400, 'invalid_request'],
    ['of nothing', { 'Upload-Length': '0' }, 422, 'upload_empty'],
    ['of more than 900 GiB', { 'Upload-Length': String(900 * GIB + 1) }, 413, 'upload_too_large'],
    ['of more than can be counted', { 'Upload-Length': '9'.repeat(25) }, 413, 'upload_too_large'],
    ['of a partial upload', { 'Upload-Length': '5', 'Upload-Concat': 'partial' }, 400, 'invalid_request'],
  ])('%s is refused', async (_what, headers, status, code) => {
    const response = await tus(client, 'POST', '/v1/tus', headers);
    expect([response.status, await refusalOf(response)]).toEqual([status, code]);
  });

  it('of exactly 900 GiB is taken, in parts that R2 can hold', async () => {
    const row = await rowOf(await begin(client, 900 * GIB));
    expect(row).toMatchObject({ part_bytes: 93 * MIB });
    expect(row.part_count).toBeLessThanOrEqual(10_000);
  });

  it('with upload takes the first bytes along', async () => {
    const response = await tus(
      client,
      'POST',
      '/v1/tus',
      { 'Upload-Length': String(SIZE), 'Content-Type': CHUNK_TYPE },
      bytes.subarray(0, 400),
    );
    expect([response.status, response.headers.get('Upload-Offset')]).toEqual([201, '400']);
    const last = await send(client, response.headers.get('Location')!, 400, bytes.subarray(400));
    expect(last.headers.has('Reelay-Job-Id')).toBe(true);
  });

  it('with an Idempotency-Key makes one upload, and another one is another request', async () => {
    const create = (length: number) =>
      tus(client, 'POST', '/v1/tus', { 'Upload-Length': String(length), 'Idempotency-Key': 'a key of mine' });
    const first = await create(SIZE);
    await send(client, first.headers.get('Location')!, 0, bytes.subarray(0, 7));
    const again = await create(SIZE);
    expect([again.status, again.headers.get('Upload-Offset')]).toEqual([201, '7']);
    expect(again.headers.get('Location')).toBe(first.headers.get('Location'));
    expect(await refusalOf(create(SIZE + 1))).toBe('idempotency_key_reused');
  });

  it('with the whole upload names the job at once', async () => {
    const headers = { 'Upload-Length': String(SIZE), 'Content-Type': CHUNK_TYPE };
    const response = await tus(client, 'POST', '/v1/tus', headers, bytes);
    expect([response.status, response.headers.get('Upload-Offset')]).toEqual([201, String(SIZE)]);
    const [job] = await jobsOf(response.headers.get('Reelay-Video-Id')!);
    expect(response.headers.get('Reelay-Job-Id')).toBe(job!.id);
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['of another type', { 'Content-Type': 'video/mp4' }, 415, 'upload_content_type_wrong'],
    ['beyond the length', { 'Upload-Length': '999' }, 413, 'upload_size_exceeded'],
    [
      'with a wrong checksum',
      { 'Upload-Checksum': `sha1 ${btoa('x'.repeat(20))}` },
      460,
      'upload_chunk_checksum_mismatch',
    ],
  ])('with a body %s leaves no upload behind', async (_what, headers, status, code) => {
    const mine = await clientOf();
    const all = { 'Upload-Length': String(SIZE + 1), 'Content-Type': CHUNK_TYPE, ...headers };
    const response = await tus(mine, 'POST', '/v1/tus', all, bytes);
    expect([response.status, await refusalOf(response)]).toEqual([status, code]);
    const { n } = (await env.DB.prepare(
      `SELECT count(*) AS n FROM uploads WHERE owner_id = ? AND state NOT IN ('aborted')`,
    )
      .bind(mine.ownerId)
      .first<{ n: number }>())!;
    expect(n).toBe(0);
  });
});

describe('HEAD', () => {
  it('tells offset, length and the metadata word for word, and forbids caching', async () => {
    const metadata = `${metadataOf({ filename: 'a.mp4', note: null })},other c3BhY2Vz`;
    const path = await begin(client, SIZE, { 'Upload-Metadata': metadata });
    await send(client, path, 0, bytes.subarray(0, 17));
    const response = await tus(client, 'HEAD', path);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'upload-offset': '17',
      'upload-length': String(SIZE),
      'upload-metadata': metadata,
      'cache-control': 'no-store',
    });
    expect(response.headers.has('Upload-Defer-Length')).toBe(false);
  });

  it('names the job of a finished upload, again and again', async () => {
    const path = await begin(client, SIZE);
    const sent = await send(client, path, 0, bytes);
    for (let turn = 0; turn < 2; turn++) {
      const response = await tus(client, 'HEAD', path);
      expect(response.headers.get('Upload-Offset')).toBe(String(SIZE));
      expect(response.headers.get('Reelay-Job-Id')).toBe(sent.headers.get('Reelay-Job-Id'));
    }
  });

  it('of an upload nobody knows is 404 and without an offset', async () => {
    const response = await tus(client, 'HEAD', `/v1/tus/${crypto.randomUUID()}`);
    expect([response.status, await refusalOf(response)]).toEqual([404, 'not_found']);
    expect(response.headers.has('Upload-Offset')).toBe(false);
  });
});

describe('PATCH', () => {
  it('moves the offset by what it brought', async () => {
    const path = await begin(client, SIZE);
    const response = await send(client, path, 0, bytes.subarray(0, 10));
    expect(response.headers.has('Upload-Expires')).toBe(true);
    expect(await offsetOf(client, path)).toBe(10);
  });

  it.each<[string, number]>([
    ['behind', 9],
    ['ahead', 11],
  ])('%s the offset changes nothing and tells the right one', async (_what, offset) => {
    const path = await begin(client, SIZE);
    await send(client, path, 0, bytes.subarray(0, 10));
    const response = await patch(client, path, offset, bytes.subarray(offset, 20));
    expect([response.status, await refusalOf(response)]).toEqual([409, 'upload_offset_conflict']);
    expect(response.headers.get('Upload-Offset')).toBe('10');
    expect(await offsetOf(client, path)).toBe(10);
    await send(client, path, 10, bytes.subarray(10, 20));
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['of another type', { 'Content-Type': 'application/octet-stream' }, 415, 'upload_content_type_wrong'],
    ['with an offset that is none', { 'Upload-Offset': 'zero' }, 400, 'invalid_request'],
    ['with another length', { 'Upload-Length': String(SIZE + 1) }, 400, 'invalid_request'],
    ['with an unknown checksum', { 'Upload-Checksum': 'crc32 AAAAAA==' }, 400, 'upload_checksum_unsupported'],
    ['with a checksum that is none', { 'Upload-Checksum': 'sha1' }, 400, 'invalid_request'],
    [
      'larger than the edge lets through',
      { 'Content-Length': String(EDGE_BODY_LIMIT_BYTES + 1) },
      413,
      'upload_body_too_large',
    ],
  ])('%s is refused and stores nothing', async (_what, headers, status, code) => {
    const path = await begin(client, SIZE);
    const response = await patch(client, path, 0, bytes.subarray(0, 10), headers);
    expect([response.status, await refusalOf(response)]).toEqual([status, code]);
    expect(await offsetOf(client, path)).toBe(0);
    await send(client, path, 0, bytes.subarray(0, 10));
  });

  it('without Upload-Offset is refused', async () => {
    const path = await begin(client, SIZE);
    const response = await tus(client, 'PATCH', path, { 'Content-Type': CHUNK_TYPE }, bytes);
    expect([response.status, await refusalOf(response)]).toEqual([400, 'invalid_request']);
  });

  it('longer than the upload stores nothing; one that fits does', async () => {
    const path = await begin(client, SIZE);
    const long = await patch(client, path, 0, videoBytes(SIZE + 1));
    expect([long.status, await refusalOf(long)]).toEqual([413, 'upload_size_exceeded']);
    expect(await offsetOf(client, path)).toBe(0);
    await send(client, path, 0, bytes);

    // One that comes in many pieces is not read at all.
    const large = await begin(client, 3 * MIB);
    expect((await patch(client, large, 0, videoBytes(3 * MIB + 1))).status).toBe(413);
    expect(await offsetOf(client, large)).toBe(0);
    await send(client, large, 0, videoBytes(3 * MIB));
  });

  it('with nothing in it moves nothing and is no error', async () => {
    const path = await begin(client, SIZE);
    const response = await patch(client, path, 0, '', { 'Content-Length': '0' });
    expect([response.status, response.headers.get('Upload-Offset')]).toEqual([204, '0']);
  });

  it('may repeat the length it was created with', async () => {
    const path = await begin(client, SIZE);
    const response = await patch(client, path, 0, bytes, { 'Upload-Length': String(SIZE) });
    expect(response.status).toBe(204);
  });

  it('after the last byte repeats the answer, adds nothing and makes no second job', async () => {
    const path = await begin(client, SIZE);
    const sent = await send(client, path, 0, bytes);
    const again = await patch(client, path, SIZE, '', { 'Content-Length': '0' });
    expect(again.status).toBe(204);
    expect(again.headers.get('Reelay-Job-Id')).toBe(sent.headers.get('Reelay-Job-Id'));
    expect(await refusalOf(patch(client, path, 0, bytes))).toBe('upload_offset_conflict');
    expect(await refusalOf(patch(client, path, SIZE, bytes))).toBe('upload_size_exceeded');
    const other = { 'Content-Length': '0', 'Upload-Length': String(SIZE + 1) };
    expect(await refusalOf(patch(client, path, SIZE, '', other))).toBe('invalid_request');
    expect(await jobsOf(String((await rowOf(path)).video_id))).toHaveLength(1);
  });
});

describe('the method', () => {
  it('can be named in X-HTTP-Method-Override', async () => {
    const path = await begin(client, SIZE);
    const headers = { 'X-HTTP-Method-Override': 'PATCH', 'Upload-Offset': '0', 'Content-Type': CHUNK_TYPE };
    const response = await tus(client, 'POST', path, headers, bytes.subarray(0, 10));
    expect([response.status, response.headers.get('Upload-Offset')]).toEqual([204, '10']);
    const gone = await tus(client, 'POST', path, { 'X-HTTP-Method-Override': 'DELETE' });
    expect(gone.status).toBe(204);
  });

  it.each([
    ['GET', '/v1/tus'],
    ['PUT', '/v1/tus/x'],
    ['GET', '/v1/tus/x'],
  ])('%s is not offered at %s', async (method, path) => {
    expect(await refusalOf(tus(client, method, path))).toBe('method_not_allowed');
  });
});

describe('a tus upload', () => {
  it('shows in the status of uploads with every byte it holds', async () => {
    const path = await begin(client, SIZE);
    await send(client, path, 0, bytes.subarray(0, 17));
    const statusPath = `/v1/uploads/${uploadIdOf(path)}`;
    expect(await client.json<UploadStatus>(200, 'GET', statusPath)).toMatchObject({
      method: 'tus',
      state: 'receiving',
      sizeBytes: SIZE,
      receivedBytes: 17,
    });
    await send(client, path, 17, bytes.subarray(17));
    expect(await client.json<UploadStatus>(200, 'GET', statusPath)).toMatchObject({
      state: 'accepted',
      receivedBytes: SIZE,
      parts: [{ number: 1, sizeBytes: SIZE }],
    });
  });

  it('is nobody else’s business, and not for viewers', async () => {
    const path = await begin(client, SIZE);
    const stranger = await clientOf();
    expect(await refusalOf(tus(stranger, 'HEAD', path))).toBe('not_found');
    expect(await refusalOf(patch(stranger, path, 0, bytes))).toBe('not_found');
    expect(await refusalOf(tus(stranger, 'DELETE', path))).toBe('not_found');
    const viewer = await clientOf('viewer', client.ownerId);
    expect(await refusalOf(tus(viewer, 'HEAD', path))).toBe('forbidden');
    expect(await refusalOf(tus(client, 'HEAD', path, { Authorization: '' }))).toBe('unauthorized');
    await send(client, path, 0, bytes);
  });

  it('is not reached by the doors of other methods, nor they by its own', async () => {
    const path = await begin(client, SIZE);
    const base = `/v1/uploads/${uploadIdOf(path)}`;
    expect(await client.code('PUT', `${base}/content`, { body: bytes })).toBe('upload_wrong_method');
    expect(await client.code('PUT', `${base}/parts/1`, { body: bytes })).toBe('upload_wrong_method');
    expect(await client.code('POST', `${base}/parts`, { json: { numbers: [1] } })).toBe(
      'upload_wrong_method',
    );
    const json = { filename: 'a.mp4', sizeBytes: SIZE, method: 'single' };
    const { uploadId } = await client.json<{ uploadId: string }>(201, 'POST', '/v1/uploads', { json });
    expect(await refusalOf(tus(client, 'HEAD', `/v1/tus/${uploadId}`))).toBe('not_found');
  });

  it('that is no video is refused by its last PATCH and by HEAD, and nothing of it stays', async () => {
    const path = await begin(client, SIZE);
    const letter = new TextEncoder().encode('Dear Sir or Madam, '.repeat(60)).slice(0, SIZE);
    await send(client, path, 0, letter.subarray(0, 500));
    const last = await patch(client, path, 500, letter.subarray(500));
    expect([last.status, await refusalOf(last)]).toEqual([422, 'media_not_video']);
    const head = await tus(client, 'HEAD', path);
    expect([head.status, await refusalOf(head)]).toEqual([422, 'media_not_video']);
    const { video_id } = await rowOf(path);
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${video_id}`);
    expect(video).toMatchObject({ state: 'failed', error: { code: 'media_not_video' } });
    expect(await storedKeys(`sources/${video_id}/`)).toEqual([]);
  });
});
