import { createExecutionContext, env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../shared/limits.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { clientOf, codeOf, ORIGIN, signJwt } from './api-client.ts';
import { create } from './upload-steps.ts';

describe('creating an upload', () => {
  it('picks single up to the edge’s limit and presigned above it', async () => {
    const client = await clientOf();
    expect(await create(client, 95 * MIB)).toMatchObject({ method: 'single', partCount: 1 });
    const large = await create(client, 95 * MIB + 1);
    expect(large).toMatchObject({ method: 'presigned', partSizeBytes: 8 * MIB, partCount: 12 });
    expect(large.parts?.map((part) => part.number)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it('picks multipart above the limit where no storage credentials are configured', async () => {
    const { R2_ACCESS_KEY_ID: _, ...without } = env as Env;
    const auto = await post(without as Env, { filename: 'a.mp4', sizeBytes: 95 * MIB + 1 });
    expect(await auto.json()).toMatchObject({ method: 'multipart' });
    const presigned = await post(without as Env, { filename: 'a.mp4', sizeBytes: 100, method: 'presigned' });
    expect(await codeOf(presigned)).toBe('upload_method_unavailable');
  });

  it('refuses an empty file and takes one of a single byte', async () => {
    const client = await clientOf();
    const of = (sizeBytes: number) => ({ json: { filename: 'a.mp4', sizeBytes } });
    expect(await client.code('POST', '/v1/uploads', of(0))).toBe('upload_empty');
    expect(await client.code('POST', '/v1/uploads', of(1))).toBe('status 201');
  });

  it.each([
    ['single', 95 * MIB],
    ['multipart', 900 * GIB],
    ['presigned', Math.floor(4.995 * 1024) * GIB],
  ])('holds method %s to its limit', async (method, limitBytes) => {
    const client = await clientOf();
    const of = (sizeBytes: number) => ({ json: { filename: 'a.mp4', sizeBytes, method } });
    expect(await client.code('POST', '/v1/uploads', of(limitBytes + GIB))).toBe('upload_too_large');
    expect(await client.code('POST', '/v1/uploads', of(limitBytes))).toBe('status 201');
  });

  it('takes through the edge what ten thousand bodies hold, where a body is smaller than usual', async () => {
    const small = { ...env, EDGE_BODY_LIMIT_BYTES: String(16 * MIB) } as unknown as Env;
    const of = (sizeBytes: number) => ({ filename: 'a.mp4', sizeBytes, method: 'multipart' });
    expect(await codeOf(await post(small, of(160_000 * MIB + 1)))).toBe('upload_too_large');
    const largest = await post(small, of(160_000 * MIB));
    expect(await largest.json()).toMatchObject({ partSizeBytes: 16 * MIB, partCount: 10_000 });
  });

  it('refuses unknown fields and wrong types with the place of each', async () => {
    const client = await clientOf();
    const response = await client.call('POST', '/v1/uploads', {
      json: { filename: 'a.mp4', sizeBytes: '5', video: { colour: 'red' } },
    });
    expect(response.status).toBe(400);
    const problem = await response.json<{ code: string; issues: { path: string }[] }>();
    expect(problem.code).toBe('invalid_request');
    expect(problem.issues.map((issue) => issue.path).sort()).toEqual(['sizeBytes', 'video']);
  });

  it.each(['filename', 'title', 'tags'])('refuses control characters in %s', async (field) => {
    const client = await clientOf();
    const of = (text: string) => {
      const video = field === 'tags' ? { tags: [text] } : field === 'title' ? { title: text } : {};
      return { json: { filename: field === 'filename' ? text : 'a.mp4', sizeBytes: 5, video } };
    };
    for (const text of ['a\u0000b', 'a\u001b[31mb', 'a\nb', 'a\u0085b']) {
      expect(await client.code('POST', '/v1/uploads', of(text))).toBe('invalid_request');
    }
    expect(await client.code('POST', '/v1/uploads', of('Fête 東京 🎬'))).toBe('status 201');
  });

  it('takes of a filename with a path its last name alone, and that as a title', async () => {
    const client = await clientOf();
    const { videoId } = await create(client, 5, { filename: '../../etc/passwd.mp4' });
    expect(await client.json(200, 'GET', `/v1/videos/${videoId}`)).toMatchObject({ title: 'passwd' });
  });

  it('refuses protection of what is public, and a rotation of what has one key', async () => {
    const client = await clientOf();
    const of = (video: object) =>
      client.code('POST', '/v1/uploads', { json: { filename: 'a.mp4', sizeBytes: 5, video } });
    expect(await of({ protection: 'cenc', visibility: 'public' })).toBe('protection_not_available');
    expect(await of({ protection: 'cenc', visibility: 'private' })).toBe('status 201');
    expect(await of({ protection: 'none', visibility: 'public' })).toBe('status 201');
    expect(await of({ protection: 'cenc', keyRotationSegments: 10 })).toBe('invalid_request');
    expect(await of({ protection: 'aes-128', keyRotationSegments: 10 })).toBe('status 201');
  });

  it('refuses a content id that another owner holds, not one’s own', async () => {
    const owner = await clientOf();
    const stranger = await clientOf();
    const contentId = `c-${crypto.randomUUID()}`;
    await env.DB.prepare(
      `INSERT INTO contents (kind, content_id, owner_id, video_id) VALUES ('movie', ?, ?, 'v')`,
    )
      .bind(contentId, owner.ownerId)
      .run();
    const of = (kind: string) => ({ json: { filename: 'a.mp4', sizeBytes: 5, video: { kind, contentId } } });
    expect(await stranger.code('POST', '/v1/uploads', of('movie'))).toBe('content_id_taken');
    expect(await stranger.code('POST', '/v1/uploads', of('episode'))).toBe('status 201');
    expect(await owner.code('POST', '/v1/uploads', of('movie'))).toBe('status 201');
  });

  it('limits how many uploads an owner may create a minute', async () => {
    const limited = (isAllowed: boolean) =>
      ({
        ...env,
        RATE_LIMITS: 'on',
        CREATE_LIMIT: { limit: async () => ({ success: isAllowed }) },
      }) as unknown as Env;
    const refused = await post(limited(false), { filename: 'a.mp4', sizeBytes: 5 });
    expect(refused.headers.get('Retry-After')).toBe('60');
    expect(await codeOf(refused)).toBe('rate_limited');
    expect(await codeOf(await post(limited(true), { filename: 'a.mp4', sizeBytes: 5 }))).toBe('status 201');
  });

  async function post(bindings: Env, json: object): Promise<Response> {
    const headers = { Authorization: `Bearer ${await signJwt({ ownerId: 'creator' })}` };
    const init = { method: 'POST', headers, body: JSON.stringify(json) };
    return createApp().request(`${ORIGIN}/v1/uploads`, init, bindings, createExecutionContext() as never);
  }
});
