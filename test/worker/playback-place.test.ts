import { env } from 'cloudflare:test';
import { beforeAll, describe, expect, test } from 'vitest';
import { PlayClaims, verifyToken } from '../../shared/sign.ts';
import { networkOf } from '../../worker/playback/place.ts';
import { ANYONE, begun, deployment, guest, type Headers, person, server } from './playback-callers.ts';
import { KEYS, outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const ask = deployment();
let video: PublishedVideo;
let viewer: Headers;
let backEnd: Headers;
let playPath: string;
beforeAll(async () => {
  video = await videoFor(['DE', 'AT']);
  viewer = await person(video.ownerId, 'anna');
  backEnd = await server(video.ownerId);
  playPath = `/v1/videos/${video.id}/play`;
});

async function videoFor(regions: string[]): Promise<PublishedVideo> {
  const published = await publishVideo();
  await env.DB.prepare('UPDATE videos SET regions = ? WHERE id = ?')
    .bind(JSON.stringify(regions), published.id)
    .run();
  return published;
}

function claimsOf(url: string | undefined): Promise<PlayClaims | undefined> {
  return verifyToken('play', /\/p\/([^/]+)\//.exec(url!)![1]!, KEYS, PlayClaims);
}

describe('a video with regions', () => {
  test.each([
    ['DE', '200'],
    ['AT', '200'],
    ['FR', '403 playback_region_refused'],
    ['T1', '403 playback_region_refused'], // Tor
    ['XX', '403 playback_region_refused'], // unknown
    [undefined, '403 playback_region_refused'],
  ])('is played from %s with %s', async (country, expected) => {
    expect(await outcome(await ask(viewer, 'POST', playPath, { country }))).toBe(expected);
  });

  test('is open to countries nobody knows where the deployment says so, and still not to others', async () => {
    const lenient = deployment({ REGION_UNKNOWN: 'allow' });
    const outcomes: string[] = [];
    for (const country of [undefined, 'XX', 'T1', 'FR']) {
      outcomes.push(await outcome(await lenient(viewer, 'POST', playPath, { country })));
    }
    const refused = '403 playback_region_refused';
    expect(outcomes).toEqual(['200', '200', refused, refused]);
  });

  test('is for everyone where it has none', async () => {
    const free = await videoFor([]);
    const one = await person(free.ownerId, 'anna');
    const { hls } = await begun(ask(one, 'POST', `/v1/videos/${free.id}/play`, { country: 'FR' }));
    expect((await claimsOf(hls))?.cc).toBeUndefined();
    expect(await outcome(await ask(ANYONE, 'GET', hls!, { country: 'JP' }))).toBe('200');
  });

  test('believes what the request says of the country from servers alone', async () => {
    const away = { json: { country: 'DE' }, country: 'FR' };
    const refused = '403 playback_region_refused';
    expect(await outcome(await ask(viewer, 'POST', playPath, away))).toBe(refused);
    expect(await outcome(await ask(await guest(video), 'POST', playPath, away))).toBe(refused);
    expect(await outcome(await ask(backEnd, 'POST', playPath, away))).toBe('200');
    const home = { json: { country: 'FR' }, country: 'DE' };
    expect(await outcome(await ask(backEnd, 'POST', playPath, home))).toBe(refused);
    expect(await outcome(await ask(viewer, 'POST', playPath, home))).toBe('200');
  });

  test('knows the country of a request with an Idempotency-Key, too', async () => {
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    expect(await outcome(await ask(viewer, 'POST', playPath, { country: 'AT', headers }))).toBe('200');
    expect(await outcome(await ask(viewer, 'POST', playPath, { country: 'AT', headers }))).toBe('200');
    expect(await outcome(await ask(viewer, 'POST', playPath, { country: 'FR', headers }))).toBe(
      '403 playback_region_refused',
    );
  });
});

describe('a token given to a country', () => {
  test('opens nothing from another, which renewing may mend', async () => {
    const { hls } = await begun(ask(viewer, 'POST', playPath, { country: 'DE' }));
    expect((await claimsOf(hls))?.cc).toBe('DE');
    const outcomes: string[] = [];
    for (const country of ['DE', 'AT', 'FR', 'T1', 'XX', undefined]) {
      outcomes.push(await outcome(await ask(ANYONE, 'GET', hls!, { country })));
    }
    const elsewhere = '401 playback_token_elsewhere';
    // A country the edge does not know is not held against the token.
    expect(outcomes).toEqual(['200', elsewhere, elsewhere, elsewhere, '200', '200']);
  });

  test('moves with its viewer to where the video may be watched, and no farther', async () => {
    const { sessionId } = await begun(ask(viewer, 'POST', playPath, { country: 'DE' }));
    const path = `/v1/sessions/${sessionId}/renew`;
    const moved = await begun(ask(viewer, 'POST', path, { country: 'AT' }));
    expect((await claimsOf(moved.hls))?.cc).toBe('AT');
    expect(await outcome(await ask(viewer, 'POST', path, { country: 'FR' }))).toBe(
      '403 playback_region_refused',
    );
  });

  test('stays there when a server renews it and does not say where its viewer is', async () => {
    const json = { viewerId: 'ben', country: 'AT' };
    const { sessionId } = await begun(ask(backEnd, 'POST', playPath, { json, country: 'US' }));
    const path = `/v1/sessions/${sessionId}/renew`;
    const renewed = await begun(ask(backEnd, 'POST', path, { country: 'US' }));
    expect((await claimsOf(renewed.hls))?.cc).toBe('AT');
    const moved = await begun(ask(backEnd, 'POST', path, { country: 'US', json: { country: 'DE' } }));
    expect((await claimsOf(moved.hls))?.cc).toBe('DE');
  });
});

describe('a token given to a network', () => {
  const bound = deployment({ BIND_IP: '24/48' });
  const address = '203.0.113.9';
  const elsewhere = '401 playback_token_elsewhere';
  const free = () => publishVideo();

  test('opens nothing from another', async () => {
    const { id, ownerId } = await free();
    const one = await person(ownerId, 'anna');
    const { hls } = await begun(bound(one, 'POST', `/v1/videos/${id}/play`, { address }));
    expect((await claimsOf(hls))?.ip).toBe('203.0.113.0/24');
    for (const [from, expected] of [
      [address, '200'],
      ['203.0.113.200', '200'],
      ['203.0.114.9', elsewhere],
      ['2001:db8::9', elsewhere],
      ['', elsewhere],
    ] as const) {
      // Whatever the deployment's setting is by then: the token says it.
      expect(await outcome(await ask(ANYONE, 'GET', hls!, { address: from }))).toBe(expected);
    }
  });

  test('is renewed for the network its viewer is in by then', async () => {
    const { id, ownerId } = await free();
    const one = await person(ownerId, 'anna');
    const { sessionId } = await begun(bound(one, 'POST', `/v1/videos/${id}/play`, { address }));
    const mobile = '2001:db8:1:2::3';
    const { hls } = await begun(bound(one, 'POST', `/v1/sessions/${sessionId}/renew`, { address: mobile }));
    expect((await claimsOf(hls))?.ip).toBe('2001:db8:1:0:0:0:0:0/48');
    expect(await outcome(await bound(ANYONE, 'GET', hls!, { address: '2001:db8:1:ffff::1' }))).toBe('200');
    expect(await outcome(await bound(ANYONE, 'GET', hls!, { address }))).toBe(elsewhere);
  });

  test("is a server's word for its viewer, never the server's own address", async () => {
    const { id, ownerId } = await free();
    const key = await server(ownerId);
    const path = `/v1/videos/${id}/play`;
    const said = await begun(bound(key, 'POST', path, { address, json: { clientIp: '198.51.100.7' } }));
    expect((await claimsOf(said.hls))?.ip).toBe('198.51.100.0/24');
    expect((await claimsOf((await begun(bound(key, 'POST', path, { address }))).hls))?.ip).toBeUndefined();
    const one = await person(ownerId, 'anna');
    const lied = await begun(bound(one, 'POST', path, { address, json: { clientIp: '198.51.100.7' } }));
    expect((await claimsOf(lied.hls))?.ip).toBe('203.0.113.0/24');
  });

  test('is not what tokens are by default', async () => {
    const { id, ownerId } = await free();
    const one = await person(ownerId, 'anna');
    const { hls } = await begun(ask(one, 'POST', `/v1/videos/${id}/play`, { address }));
    expect((await claimsOf(hls))?.ip).toBeUndefined();
  });

  test.each([
    ['203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.0/24'],
    ['203.0.113.256', undefined],
    ['203.0.113', undefined],
    ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:0:0:0:0:0/48'],
    ['2001:db8::', '2001:db8:0:0:0:0:0:0/48'],
    ['::1', '0:0:0:0:0:0:0:0/48'],
    ['1:2:3:4:5:6:7:8::', undefined],
    ['1::2::3', undefined],
    ['1:2:3', undefined],
    ['2001:db8::g', undefined],
    ['', undefined],
  ])('is the beginning of an address: %j gives %s', (text, expected) => {
    expect(networkOf(text, { v4: 24, v6: 48 })).toBe(expected);
  });
});
