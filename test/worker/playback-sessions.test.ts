import { env, SELF } from 'cloudflare:test';
import { beforeAll, describe, expect, test } from 'vitest';
import { PlayAnswer, type WatchLink } from '../../shared/play-api.ts';
import { PlayClaims, signToken, verifyToken } from '../../shared/sign.ts';
import {
  bearer,
  KEYS,
  ORIGIN,
  outcome,
  PRESENTATION,
  type PublishedVideo,
  play,
  post,
  publishVideo,
} from './playback-fixtures.ts';

let video: PublishedVideo;
let other: PublishedVideo;
beforeAll(async () => {
  [video, other] = await Promise.all([publishVideo(), publishVideo()]);
});

const secondsFromNow = (timestamp: string) => (Date.parse(timestamp) - Date.now()) / 1000;

function claimsOf(url: string) {
  const token = /\/p\/([^/]+)\//.exec(url)![1]!;
  return verifyToken('play', token, KEYS, PlayClaims);
}

describe('POST /v1/videos/:id/play', () => {
  test('gives URLs that play, below one token that covers the generation and nothing else', async () => {
    const answer = PlayAnswer.parse(await play(video));
    expect(answer.hls).toMatch(new RegExp(`^${ORIGIN}/p/[^/]+/${video.prefix}master\\.m3u8$`));
    expect(answer.dash).toBe(new URL('manifest.mpd', answer.hls).href);
    expect(answer.poster).toBe(new URL('poster.jpg', answer.hls).href);
    expect(answer.storyboard).toBe(new URL('storyboard.vtt', answer.hls).href);
    expect(answer.preview).toBe(new URL('preview.webp', answer.hls).href);
    for (const url of [answer.hls, answer.dash, answer.poster, answer.storyboard, answer.preview]) {
      expect(await outcome((await SELF.fetch(url!)) as never)).toBe('200');
    }
    expect(await claimsOf(answer.hls!)).toEqual({
      pfx: video.prefix,
      use: 'play',
      sid: answer.sessionId,
      exp: Date.parse(answer.expiresAt) / 1000,
      nbf: Date.parse(answer.expiresAt) / 1000 - (PRESENTATION.durationSeconds * 1.5 + 600),
    });
  });

  test('lasts one and a half times the video and ten minutes, or as long as asked', async () => {
    const byDefault = secondsFromNow((await play(video)).expiresAt);
    expect(Math.abs(byDefault - (PRESENTATION.durationSeconds * 1.5 + 600))).toBeLessThan(30);
    const asked = secondsFromNow((await play(video, { ttlSeconds: 3600 })).expiresAt);
    expect(Math.abs(asked - 3600)).toBeLessThan(30);
  });

  test('takes no body for an empty one', async () => {
    const response = await post(`/v1/videos/${video.id}/play`, await bearer(video.ownerId));
    expect(await outcome(response)).toBe('200');
  });

  test.each([
    [{ ttlSeconds: 59 }, '400 invalid_request'],
    [{ ttlSeconds: 60 }, '200'],
    [{ ttlSeconds: 24 * 3600 + 1 }, '400 invalid_request'],
    [{ maxHeight: 0 }, '400 invalid_request'],
    [{ maxheight: 720 }, '400 invalid_request'],
  ])('answers %j with %s', async (body, expected) => {
    const response = await post(`/v1/videos/${video.id}/play`, await bearer(video.ownerId), body);
    expect(await outcome(response)).toBe(expected);
  });

  test.each(['admin', 'uploader', 'viewer'] as const)('is open to the owner as %s', async (role) => {
    const response = await post(`/v1/videos/${video.id}/play`, await bearer(video.ownerId, role));
    expect(await outcome(response)).toBe('200');
  });

  test('knows nothing of the videos of others, not even for an admin', async () => {
    const response = await post(`/v1/videos/${other.id}/play`, await bearer(video.ownerId, 'admin'));
    expect(await outcome(response)).toBe('404 not_found');
  });

  test('wants a credential', async () => {
    expect(await outcome(await post(`/v1/videos/${video.id}/play`, {}))).toBe('401 unauthorized');
  });

  test('asks to wait while nothing is published', async () => {
    const unpublished = await publishVideo({ isPublished: false });
    const response = await post(`/v1/videos/${unpublished.id}/play`, await bearer(unpublished.ownerId));
    expect(response.headers.get('Retry-After')).toBe('2');
    expect(await outcome(response)).toBe('409 video_not_playable');
  });
});

describe('POST /v1/videos/:id/watch-link', () => {
  const guestOf = (link: WatchLink) => ({ Authorization: `Bearer ${new URL(link.url).hash.slice(3)}` });
  const linkFor = async (target: PublishedVideo): Promise<WatchLink> => {
    const response = await post(
      `/v1/videos/${target.id}/watch-link`,
      await bearer(target.ownerId, 'uploader'),
    );
    return (await response.json()) as WatchLink;
  };

  test('gives a link whose fragment plays this one video', async () => {
    const link = await linkFor(video);
    expect(link.url.startsWith(`${ORIGIN}/watch/${video.id}#t=v1.`)).toBe(true);
    expect(Math.abs(secondsFromNow(link.expiresAt) - 24 * 3600)).toBeLessThan(30);
    expect(await outcome(await post(`/v1/videos/${video.id}/play`, guestOf(link)))).toBe('200');
  });

  test('does not open a second video of the same owner', async () => {
    await env.DB.prepare('UPDATE videos SET owner_id = ? WHERE id = ?').bind(video.ownerId, other.id).run();
    const mine = await post(`/v1/videos/${other.id}/play`, await bearer(video.ownerId));
    expect(await outcome(mine)).toBe('200');
    const guest = await post(`/v1/videos/${other.id}/play`, guestOf(await linkFor(video)));
    expect(await outcome(guest)).toBe('404 not_found');
    await env.DB.prepare('UPDATE videos SET owner_id = ? WHERE id = ?').bind(other.ownerId, other.id).run();
  });

  test('cannot be made by its own guest, nor by a viewer', async () => {
    const path = `/v1/videos/${video.id}/watch-link`;
    expect(await outcome(await post(path, guestOf(await linkFor(video))))).toBe('403 forbidden');
    expect(await outcome(await post(path, await bearer(video.ownerId, 'viewer')))).toBe('403 forbidden');
    expect(await outcome(await post(path, await bearer(video.ownerId, 'uploader')))).toBe('201');
  });

  test('opens nothing once it has expired', async () => {
    const tokenFor = (exp: number) =>
      signToken('watch', { video: video.id, owner: video.ownerId, exp }, KEYS);
    const now = Math.floor(Date.now() / 1000);
    const outcomes: string[] = [];
    for (const exp of [now + 60, now - 1]) {
      const headers = { Authorization: `Bearer ${await tokenFor(exp)}` };
      outcomes.push(await outcome(await post(`/v1/videos/${video.id}/play`, headers)));
    }
    expect(outcomes).toEqual(['200', '401 token_expired']);
  });

  test('is not given for the videos of others', async () => {
    const response = await post(`/v1/videos/${video.id}/watch-link`, await bearer(other.ownerId, 'admin'));
    expect(await outcome(response)).toBe('404 not_found');
  });

  test('lets its guest renew the session it began', async () => {
    const guest = guestOf(await linkFor(video));
    const session = (await (await post(`/v1/videos/${video.id}/play`, guest)).json()) as PlayAnswer;
    expect(await outcome(await post(`/v1/sessions/${session.sessionId}/renew`, guest))).toBe('200');
    const stranger = guestOf(await linkFor(other));
    expect(await outcome(await post(`/v1/sessions/${session.sessionId}/renew`, stranger))).toBe(
      '404 not_found',
    );
  });
});

describe('POST /v1/sessions/:id/renew', () => {
  const renew = async (sessionId: string, ownerId = video.ownerId) =>
    post(`/v1/sessions/${sessionId}/renew`, await bearer(ownerId));

  test('gives a later token for the same generation and the same cap, though a newer one is published', async () => {
    const session = await play(video, { maxHeight: 500, ttlSeconds: 120 });
    await env.DB.prepare('UPDATE sessions SET expires_at = expires_at - 60 WHERE id = ?')
      .bind(session.sessionId)
      .run();
    const newer = `${video.prefix.replace('generation1', 'generation2')}`;
    await env.DB.prepare('UPDATE videos SET output_prefix = ? WHERE id = ?').bind(newer, video.id).run();
    const renewed = (await (await renew(session.sessionId)).json()) as PlayAnswer;
    await env.DB.prepare('UPDATE videos SET output_prefix = ? WHERE id = ?')
      .bind(video.prefix, video.id)
      .run();

    expect(renewed.sessionId).toBe(session.sessionId);
    const afterToken = (url: string) => url.replace(/\/p\/[^/]+\//, '');
    expect(afterToken(renewed.hls!)).toBe(afterToken(session.hls!));
    expect(Math.abs(secondsFromNow(renewed.expiresAt) - 120)).toBeLessThan(30);
    expect(await claimsOf(renewed.hls!)).toMatchObject({ pfx: video.prefix, maxHeight: 480 });
    expect(await outcome((await SELF.fetch(renewed.hls!)) as never)).toBe('200');
  });

  test('is refused after the session was revoked, and to others', async () => {
    const session = await play(video);
    expect(await outcome(await renew(session.sessionId))).toBe('200');
    expect(await outcome(await renew(session.sessionId, other.ownerId))).toBe('404 not_found');
    await SELF.fetch(`${ORIGIN}/v1/sessions/${session.sessionId}`, {
      method: 'DELETE',
      headers: await bearer(video.ownerId),
    });
    expect(await outcome(await renew(session.sessionId))).toBe('403 playback_session_revoked');
  });
});
