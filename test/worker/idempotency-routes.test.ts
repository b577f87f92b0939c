// What a repetition with the same Idempotency-Key means for each kind of request.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../shared/api.ts';
import type { PlayAnswer, WatchLink } from '../../shared/play-api.ts';
import { clientOf, clientWith, codeOf } from './api-client.ts';
import { publishVideo } from './playback-fixtures.ts';
import { create, jobsOf, sendAll, uploaded, videoBytes } from './upload-steps.ts';

function keyed(json: unknown = {}) {
  return { json, headers: { 'Idempotency-Key': crypto.randomUUID() } };
}

describe('sent again with its key', () => {
  it('complete leads to the same job', async () => {
    const client = await clientOf();
    const created = await create(client, 1000);
    await sendAll(client, created, videoBytes(1000));
    const ask = keyed();
    const path = `/v1/uploads/${created.uploadId}/complete`;
    const first = await client.json(200, 'POST', path, ask);
    expect(await client.json(200, 'POST', path, ask)).toEqual(first);
    expect(await jobsOf(created.videoId)).toHaveLength(1);
  });

  it('transcode makes one job, where without a key it is refused', async () => {
    const client = await clientOf();
    const { videoId, jobId } = await uploaded(client);
    await client.json(200, 'POST', `/v1/jobs/${jobId}/cancel`);
    const ask = keyed();
    const path = `/v1/videos/${videoId}/transcode`;
    const first = await client.json(202, 'POST', path, ask);
    expect(await client.json(202, 'POST', path, ask)).toEqual(first);
    expect(await client.code('POST', path, { json: {} })).toBe('video_busy');
    expect(await jobsOf(videoId)).toHaveLength(2);
  });

  it('retry makes one job, where without a key it is refused', async () => {
    const client = await clientOf();
    const { videoId, jobId } = await uploaded(client);
    await client.json(200, 'POST', `/v1/jobs/${jobId}/cancel`);
    const ask = keyed();
    const path = `/v1/jobs/${jobId}/retry`;
    const first = await client.json(202, 'POST', path, ask);
    expect(await client.json(202, 'POST', path, ask)).toEqual(first);
    expect(await client.code('POST', path, { json: {} })).toBe('video_busy');
    expect(await jobsOf(videoId)).toHaveLength(2);
  });

  it('cancel answers with the cancelled job', async () => {
    const client = await clientOf();
    const { jobId } = await uploaded(client);
    const ask = keyed();
    for (let time = 0; time < 2; time++) {
      const job = await client.json<Job>(200, 'POST', `/v1/jobs/${jobId}/cancel`, ask);
      expect(job).toMatchObject({ id: jobId, state: 'cancelled' });
    }
  });

  it('a ticket is a new one, since each is good for one use', async () => {
    const client = await clientOf();
    const { jobId } = await uploaded(client);
    const ask = keyed();
    const path = `/v1/jobs/${jobId}/ticket`;
    const [one, two] = [
      await client.json<{ ticket: string }>(201, 'POST', path, ask),
      await client.json<{ ticket: string }>(201, 'POST', path, ask),
    ];
    expect(one.ticket).not.toBe(two.ticket);
  });

  it('play prolongs the session it began, as long as that is not revoked', async () => {
    const video = await publishVideo();
    const client = await clientOf('viewer', video.ownerId);
    const ask = keyed();
    const path = `/v1/videos/${video.id}/play`;
    const first = await client.json<PlayAnswer>(200, 'POST', path, ask);
    await env.DB.prepare('UPDATE sessions SET expires_at = unixepoch() - 5 WHERE id = ?')
      .bind(first.sessionId)
      .run();
    const again = await client.json<PlayAnswer>(200, 'POST', path, ask);
    expect(again.sessionId).toBe(first.sessionId);
    expect(Date.parse(again.expiresAt)).toBeGreaterThan(Date.now());
    const other = await client.json<PlayAnswer>(200, 'POST', path, keyed());
    expect(other.sessionId).not.toBe(first.sessionId);

    await client.json(204, 'DELETE', `/v1/sessions/${first.sessionId}`);
    expect(await client.code('POST', path, ask)).toBe('playback_session_revoked');
  });

  it('play finds the session of a request that died before it could answer', async () => {
    const video = await publishVideo();
    const client = await clientOf('viewer', video.ownerId);
    const ask = keyed();
    const path = `/v1/videos/${video.id}/play`;
    const { sessionId } = await client.json<PlayAnswer>(200, 'POST', path, ask);
    await env.DB.prepare('UPDATE idempotency_keys SET status = NULL, lease_until = 0 WHERE key = ?')
      .bind(ask.headers['Idempotency-Key'])
      .run();
    expect(await client.json<PlayAnswer>(200, 'POST', path, ask)).toMatchObject({ sessionId });
  });

  it('renew and watch-link answer as if sent once', async () => {
    const video = await publishVideo();
    const client = await clientOf('uploader', video.ownerId);
    const { sessionId } = await client.json<PlayAnswer>(200, 'POST', `/v1/videos/${video.id}/play`);
    const [renew, link] = [keyed(), keyed()];
    for (let time = 0; time < 2; time++) {
      const renewed = await client.json<PlayAnswer>(200, 'POST', `/v1/sessions/${sessionId}/renew`, renew);
      expect(renewed.sessionId).toBe(sessionId);
      const { url } = await client.json<WatchLink>(201, 'POST', `/v1/videos/${video.id}/watch-link`, link);
      expect(url).toContain(`/watch/${video.id}#t=`);
    }
  });

  it('an API key is not shown a second time, and none is made', async () => {
    const client = await clientOf();
    const ask = keyed({ name: 'server', role: 'uploader' });
    const { id, key } = await client.json<{ id: string; key: string }>(201, 'POST', '/v1/api-keys', ask);
    const again = await client.call('POST', '/v1/api-keys', ask);
    expect(again.status).toBe(409);
    const text = await again.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'already_shown', id });
    expect(text).not.toContain(key.slice(-20));
    const { apiKeys } = await client.json<{ apiKeys: { id: string }[] }>(200, 'GET', '/v1/api-keys');
    expect(apiKeys.map((each) => each.id)).toEqual([id]);
    expect(await clientWith(key).code('GET', '/v1/videos')).toBe('status 200');
  });
});

describe('the guest of a watch link', () => {
  it('has keys apart from the owner’s', async () => {
    const video = await publishVideo();
    const owner = await clientOf('admin', video.ownerId);
    const { url } = await owner.json<WatchLink>(201, 'POST', `/v1/videos/${video.id}/watch-link`);
    const guest = clientWith(new URL(url).hash.slice('#t='.length));
    const ask = keyed();
    const path = `/v1/videos/${video.id}/play`;
    const [theirs, mine] = [
      await guest.json<PlayAnswer>(200, 'POST', path, ask),
      await owner.json<PlayAnswer>(200, 'POST', path, ask),
    ];
    expect(mine.sessionId).not.toBe(theirs.sessionId);
  });

  it('does not get past a role it lacks by a key that worked', async () => {
    const ownerId = `owner-${crypto.randomUUID()}`;
    const [admin, viewer] = [await clientOf('admin', ownerId), await clientOf('viewer', ownerId)];
    const ask = keyed({ filename: 'a.mp4', sizeBytes: 5 });
    expect(await codeOf(await admin.call('POST', '/v1/uploads', ask))).toBe('status 201');
    expect(await codeOf(await viewer.call('POST', '/v1/uploads', ask))).toBe('forbidden');
  });
});
