import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { begun, deployment, guest, type Headers, person, server } from './playback-callers.ts';
import { outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const TOO_MANY = '429 concurrent_sessions_exceeded';
const playPathOf = ({ id }: PublishedVideo) => `/v1/videos/${id}/play`;

/** As if the sessions had last been heard of so long ago. */
async function unheardFor(seconds: number, sessionIds: string[]): Promise<void> {
  const ids = JSON.stringify(sessionIds);
  await env.DB.prepare(
    'UPDATE sessions SET seen_at = unixepoch() - ? WHERE id IN (SELECT value FROM json_each(?))',
  )
    .bind(seconds, ids)
    .run();
}

describe('sessions of one viewer at once', () => {
  const limited = deployment({ MAX_CONCURRENT_SESSIONS: '2' });

  async function oneViewer(): Promise<{
    video: PublishedVideo;
    anna: Headers;
    play: () => Promise<Response>;
  }> {
    const video = await publishVideo();
    const anna = await person(video.ownerId, 'anna');
    return { video, anna, play: () => limited(anna, 'POST', playPathOf(video)) };
  }

  test('are as many as may be, of however many plays at the same moment', async () => {
    const { video, play } = await oneViewer();
    const outcomes = await Promise.all(Array.from({ length: 8 }, async () => outcome(await play())));
    expect(outcomes.filter((it) => it === '200')).toHaveLength(2);
    expect(outcomes.filter((it) => it === TOO_MANY)).toHaveLength(6);
    const count = await env.DB.prepare('SELECT count(*) AS n FROM sessions WHERE owner_id = ?')
      .bind(video.ownerId)
      .first<{ n: number }>();
    expect(count?.n).toBe(2);
  });

  test('are named where there are too many, and ending one makes room', async () => {
    const { video, anna, play } = await oneViewer();
    const json = { deviceId: 'tv' };
    const first = await begun(limited(anna, 'POST', playPathOf(video), { json }));
    const second = await begun(play());
    const refused = await play();
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      code: 'concurrent_sessions_exceeded',
      limit: 2,
      sessions: expect.arrayContaining([
        expect.objectContaining({ sessionId: first.sessionId, videoId: video.id, deviceId: 'tv' }),
        expect.objectContaining({ sessionId: second.sessionId }),
      ]),
    });
    await limited(anna, 'DELETE', `/v1/sessions/${first.sessionId}`);
    expect(await outcome(await play())).toBe('200');
    expect(await outcome(await play())).toBe(TOO_MANY);
  });

  test('are no more counted ninety seconds after they were last heard of', async () => {
    const { play } = await oneViewer();
    const ids = [(await begun(play())).sessionId, (await begun(play())).sessionId];
    await unheardFor(30, ids);
    expect(await outcome(await play())).toBe(TOO_MANY);
    await unheardFor(90, ids);
    expect(await outcome(await play())).toBe('200');
  });

  test('do not come back by renewing what others have taken the place of', async () => {
    const { anna, play } = await oneViewer();
    const renew = (id: string) => limited(anna, 'POST', `/v1/sessions/${id}/renew`);
    const held = [(await begun(play())).sessionId, (await begun(play())).sessionId];
    // Those that play renew as they like.
    expect(await outcome(await renew(held[0]!))).toBe('200');
    await unheardFor(90, held);
    expect(await outcome(await renew(held[0]!))).toBe('200'); // nobody has taken the place
    await begun(play());
    expect(await outcome(await renew(held[1]!))).toBe(TOO_MANY);
    expect(await outcome(await renew(held[0]!))).toBe('200');
  });

  test('are counted for each viewer, and not for guests and servers that name nobody', async () => {
    const { video, anna } = await oneViewer();
    const key = await server(video.ownerId);
    const play = async (as: Headers, json = {}) =>
      outcome(await limited(as, 'POST', playPathOf(video), { json }));
    const ben = await person(video.ownerId, 'ben');
    const link = await guest(video);
    const thrice = async (as: Headers, json = {}) => [
      await play(as, json),
      await play(as, json),
      await play(as, json),
    ];
    expect(await thrice(anna, { viewerId: 'someone else' })).toEqual(['200', '200', TOO_MANY]);
    expect(await thrice(ben)).toEqual(['200', '200', TOO_MANY]);
    expect(await thrice(link)).toEqual(['200', '200', '200']);
    expect(await thrice(key)).toEqual(['200', '200', '200']);
    expect(await thrice(key, { viewerId: 'carla' })).toEqual(['200', '200', TOO_MANY]);
    // A server's Anna is the Anna of the JWT.
    expect(await play(key, { viewerId: 'anna' })).toBe(TOO_MANY);
    // And another library's Anna is someone else.
    const other = await publishVideo();
    const namesake = await person(other.ownerId, 'anna');
    expect(await outcome(await limited(namesake, 'POST', playPathOf(other)))).toBe('200');
  });

  test('are without limit unless the deployment sets one', async () => {
    const { video, anna } = await oneViewer();
    const unlimited = deployment();
    for (let plays = 0; plays < 4; plays++) {
      expect(await outcome(await unlimited(anna, 'POST', playPathOf(video)))).toBe('200');
    }
  });

  test('begin once for an Idempotency-Key, also where no second would have room', async () => {
    const single = deployment({ MAX_CONCURRENT_SESSIONS: '1' });
    const { video, anna } = await oneViewer();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const first = await begun(single(anna, 'POST', playPathOf(video), { headers }));
    const again = await begun(single(anna, 'POST', playPathOf(video), { headers }));
    expect(again.sessionId).toBe(first.sessionId);
    expect(await outcome(await single(anna, 'POST', playPathOf(video)))).toBe(TOO_MANY);
  });
});

describe('a session', () => {
  test("is its viewer's own: others of the library can neither renew nor end it, those who run it can", async () => {
    const ask = deployment();
    const video = await publishVideo();
    const { ownerId } = video;
    const anna = await person(ownerId, 'anna');
    const { sessionId } = await begun(ask(anna, 'POST', playPathOf(video)));
    const renew = async (as: Headers) => outcome(await ask(as, 'POST', `/v1/sessions/${sessionId}/renew`));
    expect(await renew(anna)).toBe('200');
    expect(await renew(await person(ownerId, 'ben'))).toBe('404 not_found');
    expect(await renew(await person(ownerId, 'ben', 'uploader'))).toBe('404 not_found');
    expect(await renew(await guest(video))).toBe('404 not_found');
    expect(await renew(await person(ownerId, 'ben', 'admin'))).toBe('200');
    expect(await renew(await person(ownerId, ownerId, 'uploader'))).toBe('200');
    expect(await renew(await server(ownerId))).toBe('200');
    const ended = await ask(await person(ownerId, 'ben'), 'DELETE', `/v1/sessions/${sessionId}`);
    expect(await outcome(ended)).toBe('404 not_found');
    expect(await renew(anna)).toBe('200');
  });

  test('lives no longer than the deployment lets a token live', async () => {
    const video = await publishVideo();
    const anna = await person(video.ownerId, 'anna');
    const lifeOf = async (bindings: object, json: object) => {
      const { expiresAt } = await begun(
        deployment({ ...bindings })(anna, 'POST', playPathOf(video), { json }),
      );
      return Math.round((Date.parse(expiresAt) - Date.now()) / 60_000);
    };
    expect(await lifeOf({}, { ttlSeconds: 3600 })).toBe(60);
    expect(await lifeOf({ PLAY_TTL_MAX_SECONDS: '300' }, { ttlSeconds: 3600 })).toBe(5);
    expect(await lifeOf({ PLAY_TTL_MAX_SECONDS: '300' }, { ttlSeconds: 60 })).toBe(1);
  });
});
