// Idempotency-Key: the same request with the same key does its work once.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { type CreatedUpload, CreateUpload } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { createApp } from '../../worker/app.ts';
import { configOf, type Env } from '../../worker/env.ts';
import { pruneKeys } from '../../worker/http/idempotency-store.ts';
import { createUpload } from '../../worker/uploads/create.ts';
import { clientOf, codeOf } from './api-client.ts';
import { type Api, apiUnder } from './api-under.ts';
import { multipartOf } from './upload-steps.ts';

const FILE = { filename: 'a.mp4', sizeBytes: 100 };

function newKey(): string {
  return crypto.randomUUID();
}

function post(api: Api, path: string, key: string, json: unknown = {}): Promise<Response> {
  return api.ask('POST', path, { json, headers: { 'Idempotency-Key': key } });
}

async function uploadsOf(ownerId: string): Promise<string[]> {
  const { results } = await env.DB.prepare('SELECT id FROM uploads WHERE owner_id = ?')
    .bind(ownerId)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

function change(key: string, sets: string): Promise<unknown> {
  return env.DB.prepare(`UPDATE idempotency_keys SET ${sets} WHERE key = ?`).bind(key).run();
}

describe('a POST with an Idempotency-Key', () => {
  it('does its work once and answers again with the same ids and fresh URLs', async () => {
    const api = await apiUnder({});
    const key = newKey();
    const body = { ...FILE, sizeBytes: 9 * MIB, method: 'presigned' };
    const first = await post(api, '/v1/uploads', key, body);
    const again = await post(api, '/v1/uploads', key, body);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect([first, again].map((answer) => answer.headers.get('Idempotency-Replayed'))).toEqual([
      null,
      'true',
    ]);
    expect(again.headers.get('Location')).toBe(first.headers.get('Location'));
    const [one, two] = [await first.json<CreatedUpload>(), await again.json<CreatedUpload>()];
    const { parts, ...rest } = one;
    expect(two).toMatchObject(rest);
    expect(two.parts).toHaveLength(parts!.length);
    expect(await uploadsOf(api.ownerId)).toEqual([one.uploadId]);
  });

  it('is performed by exactly one of fifty at once', async () => {
    const api = await apiUnder({});
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(api, '/v1/uploads', key, FILE)));
    const [uploadId, ...others] = await uploadsOf(api.ownerId);
    expect(others).toEqual([]);
    for (const answer of answers) {
      if (answer.status === 201) expect((await answer.json<CreatedUpload>()).uploadId).toBe(uploadId);
      else expect(await codeOf(answer)).toBe('idempotency_in_flight');
    }
    expect(answers.some((answer) => answer.status === 409)).toBe(true); // else nothing was at once
  });

  it('is performed twice with two keys, and with none', async () => {
    const api = await apiUnder({});
    for (const key of [newKey(), newKey()]) await post(api, '/v1/uploads', key, FILE);
    await api.ask('POST', '/v1/uploads', { json: FILE });
    expect(await uploadsOf(api.ownerId)).toHaveLength(3);
  });

  it('is refused with another body or path, and taken from another owner', async () => {
    const api = await apiUnder({});
    const key = newKey();
    const { uploadId } = await (await post(api, '/v1/uploads', key, FILE)).json<CreatedUpload>();
    expect(await codeOf(await post(api, '/v1/uploads', key, { ...FILE, sizeBytes: 101 }))).toBe(
      'idempotency_key_reused',
    );
    expect(await codeOf(await post(api, `/v1/uploads/${uploadId}/complete`, key, FILE))).toBe(
      'idempotency_key_reused',
    );
    expect(await codeOf(await post(api, '/v1/uploads', key, FILE))).toBe('status 201');
    expect(await codeOf(await post(await apiUnder({}), '/v1/uploads', key, FILE))).toBe('status 201');
  });

  it('has to wait while the same request is at work', async () => {
    const api = await apiUnder({});
    const key = newKey();
    await post(api, '/v1/uploads', key, FILE);
    await change(key, 'status = NULL');
    const waiting = await post(api, '/v1/uploads', key, FILE);
    expect(waiting.headers.get('Retry-After')).toBe('1');
    expect(await codeOf(waiting)).toBe('idempotency_in_flight');
    await change(key, 'status = 201');
    expect(await codeOf(await post(api, '/v1/uploads', key, FILE))).toBe('status 201');
  });

  it('takes over from one that died after its work, without doing it again', async () => {
    const api = await apiUnder({});
    const key = newKey();
    await post(api, '/v1/uploads', key, FILE);
    const [uploadId] = await uploadsOf(api.ownerId);
    await change(key, 'status = NULL, lease_until = 0');
    const taken = await post(api, '/v1/uploads', key, FILE);
    expect(await taken.json()).toMatchObject({ uploadId });
    expect(await uploadsOf(api.ownerId)).toEqual([uploadId]);
    expect((await post(api, '/v1/uploads', key, FILE)).status).toBe(201); // and is remembered
  });

  it('takes over from one that died before its work, under the same id', async () => {
    const api = await apiUnder({});
    const key = newKey();
    await post(api, '/v1/uploads', key, FILE);
    const [uploadId] = await uploadsOf(api.ownerId);
    await env.DB.prepare('DELETE FROM uploads WHERE id = ?').bind(uploadId).run();
    await change(key, 'status = NULL, lease_until = 0');
    expect(await (await post(api, '/v1/uploads', key, FILE)).json()).toMatchObject({ uploadId });
  });

  it('that was refused may be sent again, mended or not', async () => {
    const limits = { MAX_OPEN_UPLOADS: '1' };
    const api = await apiUnder(limits);
    const { uploadId } = await (await post(api, '/v1/uploads', newKey(), FILE)).json<CreatedUpload>();
    const key = newKey();
    expect(await codeOf(await post(api, '/v1/uploads', key, FILE))).toBe('quota_exceeded');
    await api.ask('DELETE', `/v1/uploads/${uploadId}`);
    expect(await codeOf(await post(api, '/v1/uploads', key, FILE))).toBe('status 201');

    const other = newKey();
    expect(await codeOf(await post(api, '/v1/uploads', other, { ...FILE, sizeBytes: 0 }))).toBe(
      'upload_empty',
    );
    expect(await codeOf(await post(api, '/v1/uploads', other, FILE))).toBe('quota_exceeded');
  });

  it('that failed is tried again at once and finds what was made after all', async () => {
    const failing = { createMultipartUpload: () => Promise.reject(new Error('D1_ERROR: overloaded')) };
    const broken = await apiUnder({ MEDIA: failing });
    const api = await apiUnder({}, broken.ownerId);
    const key = newKey();
    const body = { ...FILE, method: 'multipart' };
    expect(await codeOf(await post(broken, '/v1/uploads', key, body))).toBe('database_unavailable');
    expect(await codeOf(await post(api, '/v1/uploads', key, { ...body, sizeBytes: 7 }))).toBe(
      'idempotency_key_reused',
    );
    expect(await codeOf(await post(api, '/v1/uploads', key, body))).toBe('status 201');
    expect(await uploadsOf(api.ownerId)).toHaveLength(1);
  });

  it('is forgotten after 24 hours, by the request and by the cron', async () => {
    const api = await apiUnder({});
    const [old, recent] = [newKey(), newKey()];
    for (const key of [old, recent]) await post(api, '/v1/uploads', key, FILE);
    await change(old, 'created_at = unixepoch() - 86400');
    await change(recent, 'created_at = unixepoch() - 86399 + 60');
    expect((await post(api, '/v1/uploads', old, FILE)).headers.has('Idempotency-Replayed')).toBe(false);
    expect(await uploadsOf(api.ownerId)).toHaveLength(3);

    await change(old, 'created_at = unixepoch() - 86400');
    await pruneKeys(env.DB);
    const { results } = await env.DB.prepare('SELECT key FROM idempotency_keys WHERE key IN (?, ?)')
      .bind(old, recent)
      .all();
    expect(results).toEqual([{ key: recent }]);
  });

  it('says 404 when what it made is gone', async () => {
    const api = await apiUnder({});
    const key = newKey();
    const { uploadId } = await (await post(api, '/v1/uploads', key, FILE)).json<CreatedUpload>();
    await env.DB.prepare('DELETE FROM uploads WHERE id = ?').bind(uploadId).run();
    expect(await codeOf(await post(api, '/v1/uploads', key, FILE))).toBe('not_found');
    expect(await codeOf(await post(api, '/v1/uploads', newKey(), FILE))).toBe('status 201');
  });

  it('makes one upload where a request that seemed dead and its successor meet', async () => {
    const { ownerId, settings } = await apiUnder({});
    const opened: R2MultipartUpload[] = [];
    const bucket = env.MEDIA as R2Bucket;
    const MEDIA = {
      createMultipartUpload: async (key: string) => {
        const multipart = await bucket.createMultipartUpload(key);
        opened.push(multipart);
        return multipart;
      },
      resumeMultipartUpload: (key: string, id: string) => bucket.resumeMultipartUpload(key, id),
    };
    const uploadId = crypto.randomUUID();
    const file = CreateUpload.parse({ ...FILE, method: 'multipart' });
    const caller = { ownerId, role: 'admin', via: 'jwt' } as const;
    const both = { ...settings, MEDIA } as unknown as Env;
    const make = () => createUpload(both, configOf(both), caller, file, uploadId);
    const [one, two] = await Promise.all([make(), make()]);
    expect(one).toEqual(two);
    expect(await uploadsOf(ownerId)).toEqual([uploadId]);

    const kept = await multipartOf(one);
    await kept.uploadPart(1, new Uint8Array(100));
    const lost = opened.find(({ uploadId: id }) => id !== kept.uploadId)!;
    await expect(lost.uploadPart(1, new Uint8Array(100))).rejects.toThrow('10024');
  });
});

describe('an Idempotency-Key', () => {
  it.each([
    ['empty', '', 'x'],
    ['of 256 characters', 'k'.repeat(256), 'k'.repeat(255)],
    ['with other than printable ASCII', 'caf\u00e9', 'cafe'],
  ])('is refused when %s', async (_, wrong, right) => {
    const api = await apiUnder({});
    expect(await codeOf(await post(api, '/v1/uploads', wrong, FILE))).toBe('idempotency_key_invalid');
    expect(await codeOf(await post(api, '/v1/uploads', right, FILE))).toBe('status 201');
    expect(await uploadsOf(api.ownerId)).toHaveLength(1);
  });

  it('is minded by every POST of the API', async () => {
    const client = await clientOf();
    // tus has a resumption of its own, told by its offsets; watch events are counted once by their numbers.
    const paths = createApp()
      .routes.filter(({ method, path }) => method === 'POST' && /^\/v1\/(?!tus|watch$)/.test(path))
      .map(({ path }) => path);
    expect(new Set(paths).size).toBeGreaterThan(9);
    for (const path of new Set(paths)) {
      const headers = { 'Idempotency-Key': 'k'.repeat(256) };
      const code = await client.code('POST', path.replaceAll(/:\w+/g, crypto.randomUUID()), {
        json: {},
        headers,
      });
      expect(code, path).toBe('idempotency_key_invalid');
    }
  });

  it('does not let a body past that is larger than any', async () => {
    const api = await apiUnder({});
    const of = (length: number) => ({
      body: new Uint8Array(length).fill(32),
      headers: { 'Idempotency-Key': newKey() },
    });
    const path = `/v1/uploads/${(await (await post(api, '/v1/uploads', newKey(), FILE)).json<CreatedUpload>()).uploadId}/complete`;
    expect(await codeOf(await api.ask('POST', path, of(MIB + 1)))).toBe('upload_body_too_large');
    expect(await codeOf(await api.ask('POST', path, of(MIB)))).toBe('upload_parts_missing');
  });
});
