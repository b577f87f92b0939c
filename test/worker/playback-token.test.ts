import { env, SELF } from 'cloudflare:test';
import { beforeAll, describe, expect, test } from 'vitest';
import { signToken } from '../../shared/sign.ts';
import { cacheKeyOf } from '../../worker/playback/media-store.ts';
import {
  bearer,
  fetchMedia,
  KEYS,
  MASTER,
  MPD,
  ORIGIN,
  outcome,
  type PublishedVideo,
  play,
  playToken,
  publishVideo,
} from './playback-fixtures.ts';

let video: PublishedVideo;
let other: PublishedVideo;
beforeAll(async () => {
  [video, other] = await Promise.all([publishVideo(), publishVideo()]);
});

const SEGMENT = 'stream_240p_000.m4s';
const inOneHour = () => Math.floor(Date.now() / 1000) + 3600;

describe('what a playback token opens', () => {
  test('a file of its own generation', async () => {
    expect(await outcome(await fetchMedia(await playToken(video), video.prefix + SEGMENT))).toBe('200');
  });

  test('nothing once it has expired, which is told apart from forged', async () => {
    const past = Math.floor(Date.now() / 1000) - 1;
    const expired = await playToken(video, { exp: past });
    expect(await outcome(await fetchMedia(expired, video.prefix + SEGMENT))).toBe(
      '401 playback_token_expired',
    );
  });

  test('nothing with a changed payload, mac or key id', async () => {
    const parts = (await playToken(video)).split('.');
    const longer = (await playToken(video, { exp: inOneHour() })).split('.');
    const forgeries = [
      [parts[0], parts[1], longer[2], parts[3]],
      [parts[0], parts[1], parts[2], longer[3]],
      [parts[0], 'k2', parts[2], parts[3]],
      ['v2', parts[1], parts[2], parts[3]],
    ];
    for (const forged of forgeries) {
      const response = await fetchMedia(forged.join('.'), video.prefix + SEGMENT);
      expect(await outcome(response)).toBe('403 playback_token_invalid');
    }
  });

  test('nothing when it was signed for another purpose', async () => {
    const claims = {
      pfx: video.prefix,
      use: 'play',
      exp: inOneHour(),
      sid: 's',
      video: video.id,
      owner: 'o',
    };
    const outcomes: string[] = [];
    for (const purpose of ['play', 'watch', 'job'] as const) {
      const token = await signToken(purpose, claims, KEYS);
      outcomes.push(await outcome(await fetchMedia(token, video.prefix + SEGMENT)));
    }
    expect(outcomes).toEqual(['200', '403 playback_token_invalid', '403 playback_token_invalid']);
  });

  test('nothing of another generation, though the bytes are in the cache', async () => {
    await (await fetchMedia(await playToken(other), other.prefix + SEGMENT)).arrayBuffer();
    const response = await fetchMedia(await playToken(video), other.prefix + SEGMENT);
    expect(await outcome(response)).toBe('403 playback_outside_token');
  });

  test('nothing through a prefix that does not end with a slash', async () => {
    const half = await playToken(video, { pfx: video.prefix.slice(0, -1) });
    expect(await outcome(await fetchMedia(half, video.prefix + SEGMENT))).toBe('403 playback_outside_token');
  });

  test.each([
    ['certificate.json', '404 not_found'],
    ['stream_240p_999.m4s', '404 not_found'],
    ['', '404 not_found'],
    ['sub/stream_240p_000.m4s', '404 not_found'],
    ['plan.json', '404 not_found'],
    ['poster.jpg', '200'],
    ['storyboard.vtt', '200'],
    ['thumb_000.jpg', '200'],
    ['preview.webp', '200'],
    ['stream_240p_iframes.m3u8', '200'],
    ['thumb_000.png', '404 not_found'],
    ['stream_240p.m3u8', '200'],
  ])('of its generation only what a player needs: %j answers %s', async (name, expected) => {
    expect(await outcome(await fetchMedia(await playToken(video), video.prefix + name))).toBe(expected);
  });
});

describe('tricks with the path', () => {
  // SELF.fetch parses URLs as the platform does, so `..` and `%2e%2e` are resolved before they reach us.
  const tricks: [trick: string, key: (prefix: string, foreign: string) => string][] = [
    ['an escaped slash', (prefix) => `${prefix.slice(0, -1)}%2f${SEGMENT}`],
    ['an escaped letter', (prefix) => `${prefix}%73tream_240p_000.m4s`],
    ['a doubly escaped slash', (prefix) => `${prefix}%252e%252e%252f${SEGMENT}`],
    ['an escaped way up', (prefix, foreign) => `${prefix}..%2f..%2f..%2f..%2f${foreign}${SEGMENT}`],
    ['a way up', (prefix, foreign) => `${prefix}../../../../${foreign}${SEGMENT}`],
    ['a way up in escapes', (prefix, foreign) => `${prefix}%2e%2e/%2E%2e/../../${foreign}${SEGMENT}`],
    ['a doubled slash', (prefix) => `${prefix}/${SEGMENT}`],
    ['a leading slash', (prefix) => `/${prefix}${SEGMENT}`],
    ['a backslash', (prefix) => `${prefix}..%5c${SEGMENT}`],
    ['a null byte', (prefix) => `${prefix}${SEGMENT}%00`],
    ['a semicolon parameter', (prefix) => `${prefix}${SEGMENT};x=.jpg`],
    ['another case', (prefix) => `${prefix.toUpperCase()}${SEGMENT}`],
  ];

  test.each(tricks)('%s opens nothing', async (_trick, keyOf) => {
    const token = await playToken(video);
    expect(await outcome(await fetchMedia(token, video.prefix + SEGMENT))).toBe('200');
    expect(await outcome(await fetchMedia(token, keyOf(video.prefix, other.prefix)))).toBe(
      '403 playback_outside_token',
    );
  });

  test('a way up that stays inside is the plain path, as every URL parser reads it', async () => {
    const token = await playToken(video);
    expect(await outcome(await fetchMedia(token, `${video.prefix}x/../${SEGMENT}`))).toBe('200');
  });

  test('a way up past the token is not a playback path at all', async () => {
    const response = await fetchMedia(await playToken(video), `../../sources/${video.id}/upload`);
    expect(response.status).not.toBe(200);
  });

  test('a query changes nothing', async () => {
    const token = await playToken(video);
    const response = await fetchMedia(token, `${video.prefix}${SEGMENT}?x=1`);
    expect(await outcome(response)).toBe('200');
  });

  test('a path that names no object is not found', async () => {
    expect(await outcome((await SELF.fetch(`${ORIGIN}/p/${await playToken(video)}`)) as never)).toBe(
      '404 not_found',
    );
  });
});

describe('the edge cache', () => {
  test('serves one token what another has warmed, from the cache alone', async () => {
    const key = `${video.prefix}stream_240p_001.m4s`;
    await env.MEDIA.put(key, 'warm');
    expect(await (await fetchMedia(await playToken(video), key)).text()).toBe('warm');
    await expect.poll(() => caches.default.match(cacheKeyOf(key)), { timeout: 20_000 }).toBeTruthy();
    await env.MEDIA.delete(key);
    expect(await (await fetchMedia(await playToken(video), key)).text()).toBe('warm');
  });

  test('never remembers that something was missing', async () => {
    const key = `${video.prefix}stream_240p_002.m4s`;
    const missing = await fetchMedia(await playToken(video), key);
    expect(missing.headers.get('Cache-Control')).toBe('no-store');
    expect(await outcome(missing)).toBe('404 not_found');
    await env.MEDIA.put(key, 'late');
    expect(await (await fetchMedia(await playToken(video), key)).text()).toBe('late');
  });
});

describe('a token with a height cap', () => {
  test('lists the rungs within it and no others, in both manifests', async () => {
    const { hls, dash } = await play(video, { maxHeight: 500 });
    const master = await (await SELF.fetch(hls!)).text();
    expect(new Set(master.match(/stream_\d+p/g))).toEqual(new Set(['stream_240p', 'stream_480p']));
    expect(master.match(/#EXT-X-STREAM-INF/g)).toHaveLength(2);
    expect(master.match(/URI="stream_\w+\.m3u8"/g)).toEqual([
      'URI="stream_240p_iframes.m3u8"',
      'URI="stream_480p_iframes.m3u8"',
    ]);
    expect(master).toContain('URI="audio_en.m3u8"');
    const mpd = await (await SELF.fetch(dash!)).text();
    expect(mpd.match(/Representation id="\w+"/g)).toEqual([
      'Representation id="stream_240p"',
      'Representation id="stream_480p"',
      'Representation id="audio_en"',
      'Representation id="thumb"',
    ]);
    expect(mpd.match(/<SegmentTimeline>/g)).toHaveLength(3);
    expect(mpd.match(/<\/Representation>/g)).toHaveLength(4);
    expect(mpd).not.toContain('720p');
  });

  test('may not read the rungs above it, playlist or segment', async () => {
    const { hls } = await play(video, { maxHeight: 500 });
    for (const [name, expected] of [
      ['stream_240p.m3u8', '200'],
      ['stream_720p.m3u8', '403 playback_outside_token'],
      ['stream_240p_iframes.m3u8', '200'],
      ['stream_720p_iframes.m3u8', '403 playback_outside_token'],
      ['stream_240p_000.m4s', '200'],
      ['stream_720p_000.m4s', '403 playback_outside_token'],
    ] as const) {
      expect(await outcome((await SELF.fetch(new URL(name, hls).href)) as never)).toBe(expected);
    }
  });

  test('keeps the lowest rung, however low the cap', async () => {
    const { hls } = await play(video, { maxHeight: 1 });
    const master = await (await SELF.fetch(hls!)).text();
    expect(new Set(master.match(/stream_\d+p/g))).toEqual(new Set(['stream_240p']));
  });

  test('changes nothing when every rung is within it', async () => {
    const { hls, dash } = await play(video, { maxHeight: 720 });
    expect(await (await SELF.fetch(hls!)).text()).toBe(MASTER);
    expect(await (await SELF.fetch(dash!)).text()).toBe(MPD);
  });

  test('gives the filtered manifest a length and etag of its own', async () => {
    const [cappedPlay, whole] = await Promise.all([play(video, { maxHeight: 500 }), play(video)]);
    const [filtered, full] = await Promise.all([SELF.fetch(cappedPlay.hls!), SELF.fetch(whole.hls!)]);
    expect(filtered.headers.get('ETag')).not.toBe(full.headers.get('ETag'));
    const body = await filtered.text();
    expect(filtered.headers.get('Content-Length')).toBe(String(body.length));
    await full.text();
    const again = await SELF.fetch(cappedPlay.hls!, {
      headers: { 'If-None-Match': full.headers.get('ETag')! },
    });
    expect(await outcome(again as never)).toBe('200');
  });
});

describe('a revoked session', () => {
  test('opens nothing any more, while another of the same video goes on', async () => {
    const [mine, another] = await Promise.all([play(video), play(video)]);
    expect(await outcome((await SELF.fetch(mine.hls!)) as never)).toBe('200');
    const deleted = await SELF.fetch(`${ORIGIN}/v1/sessions/${mine.sessionId}`, {
      method: 'DELETE',
      headers: await bearer(video.ownerId),
    });
    expect(deleted.status).toBe(204);
    expect(await outcome((await SELF.fetch(mine.hls!)) as never)).toBe('403 playback_session_revoked');
    expect(await outcome((await SELF.fetch(another.hls!)) as never)).toBe('200');
  });
});
