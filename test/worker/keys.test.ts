// Content keys: made once, wrapped at rest, given to the transcoder that holds a task and to nobody else.
import { env, SELF } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { parseKeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import { parseSigningKeys, signToken } from '../../shared/sign.ts';
import { unwrapKey, wrapKey } from '../../worker/keys/kek.ts';
import { issueKeys, keyRows, rewrapKeys, unwrapped } from '../../worker/keys/store.ts';
import { ORIGIN } from './api-client.ts';
import { apiUnder } from './api-under.ts';
import { outcome } from './playback-fixtures.ts';

const KEKS = parseKeyEncryptionKeys(env.KEYS_KEK as string);
const NEWER = 'k2:bmV3ZXIta2V5LWVuY3J5cHRpb24ta2V5LTAxMjM0NTY';

type Task = { jobId: string; task: string; epoch: number };

async function heldTask(protection: string | undefined): Promise<Task> {
  const jobId = crypto.randomUUID();
  const videoId = `v-${jobId}`;
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO videos (id, owner_id, title, kind, visibility, protection, state) VALUES (?, 'o', 't', 'video', 'private', 'none', 'processing')`,
    ).bind(videoId),
    env.DB.prepare(
      `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, output_prefix)
       VALUES (?, ?, 'o', 'transcode', 'running', 1, ?, 's', 'e', 1, ?)`,
    ).bind(jobId, videoId, JSON.stringify({ protection }), `hls/videos/${videoId}/${jobId}/`),
    env.DB.prepare(
      `INSERT INTO tasks (job_id, name, kind, idx, state, epoch) VALUES (?, 'plan', 'plan', 0, 'running', 1)`,
    ).bind(jobId),
  ]);
  return { jobId, task: 'plan', epoch: 1 };
}

async function ask({ jobId, task, epoch }: Task, numbers: number[]): Promise<Response> {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const keys = parseSigningKeys(env.SIGNING_KEYS as string);
  const token = await signToken('job', { job: jobId, task, epoch, exp }, keys);
  return (await SELF.fetch(`${ORIGIN}/internal/keys`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ numbers }),
  })) as unknown as Response;
}

type Issued = { keys: { n: number; keyId: string; key: string }[] };
const issued = async (task: Task, numbers: number[]) => (await (await ask(task, numbers)).json()) as Issued;

describe('content keys of a job', () => {
  it('are the same whoever asks first, and others by number', async () => {
    const task = await heldTask('aes-128');
    const [one, other] = await Promise.all([issued(task, [0, 1]), issued(task, [1, 0])]);
    expect(one).toEqual(other);
    expect(one.keys.map(({ n }) => n)).toEqual([0, 1]);
    expect(one.keys[0]!.key).not.toBe(one.keys[1]!.key);
    expect(one.keys[0]!.keyId).not.toBe(one.keys[1]!.keyId);
    expect((await issued(await heldTask('aes-128'), [0])).keys[0]!.key).not.toBe(one.keys[0]!.key);
  });

  it('are in no row of the database as they are', async () => {
    const task = await heldTask('cenc');
    const { keys } = await issued(task, [0]);
    const row = await env.DB.prepare('SELECT * FROM content_keys WHERE job_id = ?').bind(task.jobId).first();
    expect(row).toMatchObject({ scheme: 'cenc', key_id: keys[0]!.keyId, kek_id: 'k1' });
    const bytes = atob(keys[0]!.key.replaceAll('-', '+').replaceAll('_', '/'));
    const hex = Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('');
    for (const spelled of [keys[0]!.key, hex, btoa(bytes)])
      expect(JSON.stringify(row)).not.toContain(spelled);
    expect((await unwrapped(KEKS, await keyRows(env.DB, task.jobId, { numbers: [0] })))[0]!.key).toHaveLength(
      16,
    );
  });

  it('are refused to an attempt that is over, and for a job that is not protected', async () => {
    const task = await heldTask('cenc');
    expect(await outcome(await ask({ ...task, epoch: 0 }, [0]))).toBe('409 lease_lost');
    expect(await outcome(await ask(await heldTask(undefined), [0]))).toBe('422 protection_not_available');
    expect(await outcome(await ask(await heldTask('none'), [0]))).toBe('422 protection_not_available');
    expect(await outcome(await ask(task, [0]))).toBe('200');
  });

  it('are refused without a job token', async () => {
    const { jobId } = await heldTask('cenc');
    const request = (token: string) =>
      SELF.fetch(`${ORIGIN}/internal/keys`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
        body: '{"numbers":[0]}',
      }) as unknown as Promise<Response>;
    expect(await outcome(await request('x'))).toBe('401 unauthorized');
    expect(await outcome(await request(env.TRANSCODER_SECRET as string))).toBe('401 unauthorized');
    expect(await keyRows(env.DB, jobId, { numbers: [0] })).toEqual([]);
  });

  it('are not made for a job that is gone', async () => {
    const job = { jobId: crypto.randomUUID(), scheme: 'cenc' } as const;
    expect(await issueKeys(env.DB, KEKS, job, [0])).toEqual([]);
  });
});

describe('wrapping', () => {
  const place = { jobId: 'j', n: 0, scheme: 'cenc', keyId: '00112233445566778899aabbccddeeff' };
  const key = crypto.getRandomValues(new Uint8Array(16));

  it('gives the key back at its own place alone', async () => {
    const wrapped = await wrapKey(KEKS, key, place);
    expect(await unwrapKey(KEKS, wrapped, place)).toEqual(key);
    for (const other of [{ jobId: 'k' }, { n: 1 }, { scheme: 'aes-128' }, { keyId: 'ff'.repeat(16) }]) {
      await expect(unwrapKey(KEKS, wrapped, { ...place, ...other })).rejects.toThrow();
    }
    const bent = { ...wrapped, wrapped: wrapped.wrapped.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')) };
    await expect(unwrapKey(KEKS, bent, place)).rejects.toThrow();
  });

  it('goes over to a new key encryption key, after which the old one is not needed', async () => {
    const task = await heldTask('cenc');
    const before = await issued(task, [0]);
    const rotated = parseKeyEncryptionKeys(`${NEWER},${env.KEYS_KEK as string}`);
    expect(await unwrapped(rotated, await keyRows(env.DB, task.jobId, { numbers: [0] }))).toHaveLength(1);
    await expect(
      unwrapped(parseKeyEncryptionKeys(NEWER), await keyRows(env.DB, task.jobId, { numbers: [0] })),
    ).rejects.toThrow('k1');
    while ((await rewrapKeys(env.DB, rotated)) > 0);
    const rows = await keyRows(env.DB, task.jobId, { numbers: [0] });
    const [after] = await unwrapped(parseKeyEncryptionKeys(NEWER), rows);
    expect(after!.keyId).toBe(before.keys[0]!.keyId);
    // Other tests of this file read what they have made with the first key.
    while ((await rewrapKeys(env.DB, [...rotated].reverse())) > 0);
  });

  it('takes secrets of 32 bytes and nothing else', () => {
    const secret = NEWER.slice(3);
    expect(parseKeyEncryptionKeys(`a:${secret}, b:${secret}`).map(({ kid }) => kid)).toEqual(['a', 'b']);
    for (const wrong of [
      '',
      secret,
      `a:${secret}x`,
      `a:${secret.slice(2)}`,
      `a b:${secret}`,
      `a:${secret}:`,
    ]) {
      expect(() => parseKeyEncryptionKeys(wrong), wrong).toThrow('32 random bytes');
    }
  });
});

describe('a deployment', () => {
  const video = { protection: 'aes-128' };
  const json = { filename: 'a.mp4', sizeBytes: 5, video };

  it('protects nothing without KEYS_KEK, and says so', async () => {
    const without = await apiUnder({ KEYS_KEK: undefined });
    const refused = await without.ask('POST', '/v1/uploads', { json });
    expect(await refused.clone().text()).toContain('KEYS_KEK');
    expect(await outcome(refused)).toBe('422 protection_not_available');
    expect(await outcome(await (await apiUnder({})).ask('POST', '/v1/uploads', { json }))).toBe('201');
  });

  it('keeps a protected video from becoming public', async () => {
    const api = await apiUnder({});
    const created = async (protection: string) => {
      const answer = await api.ask('POST', '/v1/uploads', { json: { ...json, video: { protection } } });
      return ((await answer.json()) as { videoId: string }).videoId;
    };
    const open = async (protection: string) =>
      api.ask('PATCH', `/v1/videos/${await created(protection)}`, { json: { visibility: 'public' } });
    expect(await outcome(await open('cenc'))).toBe('422 protection_not_available');
    expect(await outcome(await open('none'))).toBe('200');
  });
});
