import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { VideoList } from '../../shared/api.ts';
import type { ApiKeyInfo, CreatedApiKey } from '../../shared/api-keys.ts';
import { clientOf, clientWith } from './api-client.ts';
import { create } from './upload-steps.ts';

const newKey = (role: string) => ({ json: { name: 'a server', role } });

describe('API keys', () => {
  it('are shown once and stand for their owner and role', async () => {
    const admin = await clientOf();
    const created = await admin.json<CreatedApiKey>(201, 'POST', '/v1/api-keys', newKey('uploader'));
    expect(created.key).toMatch(/^rk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    const { key, ...info } = created;
    const listed = await admin.json<{ apiKeys: ApiKeyInfo[] }>(200, 'GET', '/v1/api-keys');
    expect(listed.apiKeys).toEqual([info]);
    expect(await admin.json(200, 'GET', `/v1/api-keys/${info.id}`)).toEqual(info);
    const row = await env.DB.prepare('SELECT * FROM api_keys WHERE id = ?').bind(info.id).first();
    expect(JSON.stringify(row)).not.toContain(key.split('_').at(-1));

    const server = clientWith(key);
    const { videoId } = await create(server as never, 10);
    const { videos } = await admin.json<VideoList>(200, 'GET', '/v1/videos');
    expect(videos.map((video) => video.id)).toEqual([videoId]);
    expect(await server.code('GET', '/v1/api-keys')).toBe('forbidden');
  });

  it('open nothing with another secret or another id', async () => {
    const admin = await clientOf();
    const { key } = await admin.json<CreatedApiKey>(201, 'POST', '/v1/api-keys', newKey('admin'));
    const { key: otherKey } = await admin.json<CreatedApiKey>(201, 'POST', '/v1/api-keys', newKey('admin'));
    const [, id] = key.split('_');
    const secret = (text: string) => text.slice(36);
    const list = (text: string) => clientWith(text).code('GET', '/v1/videos');
    expect(await list(`rk_${id}_${secret(otherKey)}`)).toBe('unauthorized');
    expect(await list(`rk_${'0'.repeat(32)}_${secret(key)}`)).toBe('unauthorized');
    expect(await list(key.slice(0, -1))).toBe('unauthorized');
    // 43 characters carry two bits more than 32 bytes: only one spelling of the last is a key's.
    const lastChars = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
    const answers = await Promise.all(lastChars.map((char) => list(key.slice(0, -1) + char)));
    expect(answers.filter((answer) => answer === 'status 200')).toHaveLength(1);
  });

  it('stop working when revoked', async () => {
    const admin = await clientOf();
    const { id, key } = await admin.json<CreatedApiKey>(201, 'POST', '/v1/api-keys', newKey('viewer'));
    const server = clientWith(key);
    expect(await server.code('GET', '/v1/videos')).toBe('status 200');
    await admin.json(204, 'DELETE', `/v1/api-keys/${id}`);
    expect(await server.code('GET', '/v1/videos')).toBe('unauthorized');
    expect(await admin.code('GET', `/v1/api-keys/${id}`)).toBe('not_found');
    expect(await admin.code('DELETE', `/v1/api-keys/${id}`)).toBe('not_found');
  });

  it('belong to admins of their owner', async () => {
    const admin = await clientOf();
    const stranger = await clientOf();
    const { id, key } = await admin.json<CreatedApiKey>(201, 'POST', '/v1/api-keys', newKey('viewer'));
    expect(await stranger.code('GET', `/v1/api-keys/${id}`)).toBe('not_found');
    expect(await stranger.code('DELETE', `/v1/api-keys/${id}`)).toBe('not_found');
    expect(await clientWith(key).code('GET', '/v1/videos')).toBe('status 200');
    const uploader = await clientOf('uploader', admin.ownerId);
    expect(await uploader.code('POST', '/v1/api-keys', newKey('viewer'))).toBe('forbidden');
    expect(await admin.code('POST', '/v1/api-keys', newKey('root'))).toBe('invalid_request');
  });
});
