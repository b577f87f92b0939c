// Three hours in front of the screen with tokens of five minutes, on a clock that is moved: what an app does whose
// data source puts the session's current token into each URL as it is opened, and whose cache goes by the path
// after the token (Media3's ResolvingDataSource and CacheKeyFactory). Real seconds play no part.
import { env } from 'cloudflare:test';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { initName, playlistName, segmentName } from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { ANYONE, type Deployment, deployment, person } from './playback-callers.ts';
import { type PublishedVideo, publishVideo } from './playback-fixtures.ts';
import { prepareGeneration, storeGeneration } from './prepared-generation.ts';

const PLAY_SECONDS = 3 * HOUR_SECONDS;
/** Six as a rule, and by `npm run bench -- long-play`; here a few of the requests are enough. */
const SEGMENT_SECONDS = Number(env.PLAY_SEGMENT_SECONDS);
const SEGMENTS = PLAY_SECONDS / SEGMENT_SECONDS;
const TOKEN_SECONDS = 300;
/** An app renews this long before the token ends. */
const RENEWAL_MARGIN_SECONDS = 30;
const RENEWALS_AT_LEAST = PLAY_SECONDS / TOKEN_SECONDS - 1;
const TIMEOUT_MS = 60 * SECOND_MS + SEGMENTS * 500;
const STEMS = ['stream_720p', 'audio_en'];

let objectReads = 0;
let server: Deployment;
let video: PublishedVideo;

beforeAll(async () => {
  vi.spyOn(console, 'info').mockImplementation(() => {}); // a line per request
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  server = deployment({ DB: movedDatabase(), MEDIA: countedBucket() });
  video = await publishVideo();
  const shape = { heights: [720], segments: SEGMENTS, segmentSeconds: SEGMENT_SECONDS, segmentBytes: 500 };
  await storeGeneration(env.MEDIA, video.prefix, await prepareGeneration(video.id, shape));
}, TIMEOUT_MS);

afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test(
  'three hours play through tokens of five minutes, each byte read once',
  async () => {
    const app = await beginApp('phone');
    for (let index = 0; index < SEGMENTS; index++) {
      await app.load(...STEMS.map((stem) => segmentName(stem, index)));
      passTime(SEGMENT_SECONDS);
    }
    const firstReads = objectReads;
    const played = { ...app.counts };
    // Back to the start: all of it is on the phone, whatever token it came by.
    for (let index = 0; index < SEGMENTS; index += 10) await app.load(segmentName(STEMS[0]!, index));

    expect(played).toEqual({ requests: app.held.size, failed: 0, renewals: expect.any(Number) });
    expect(played.renewals).toBeGreaterThanOrEqual(RENEWALS_AT_LEAST);
    expect(app.held.size).toBe(2 * SEGMENTS + 2 * STEMS.length + 1);
    expect(app.counts.requests).toBe(played.requests);
    expect(firstReads).toBe(app.held.size);

    // Another viewer on the same way has other tokens all along, and storage is not read for any of it.
    const other = await beginApp('television');
    for (let index = 0; index < SEGMENTS; index += 10) await other.load(segmentName(STEMS[0]!, index));
    expect(other.counts.failed).toBe(0);
    expect(objectReads).toBe(firstReads);
    console.log(
      `${played.requests} requests, ${played.renewals} renewals, ${played.failed} failed, ${objectReads} reads of storage`,
    );
  },
  TIMEOUT_MS,
);

test('an app that renews too late is told so by 401, and goes on where it was', async () => {
  const app = await beginApp('late');
  const before = app.urlOf(segmentName('stream_720p', 0));
  expect((await server(ANYONE, 'GET', before)).status).toBe(200);
  passTime(TOKEN_SECONDS + 1);
  expect((await server(ANYONE, 'GET', before)).status).toBe(401);
  await app.renew();
  const after = app.urlOf(segmentName('stream_720p', 0));
  expect(pathAfterToken(after)).toBe(pathAfterToken(before));
  expect(after).not.toBe(before);
  expect((await server(ANYONE, 'GET', after)).status).toBe(200);
});

/** Begins a session and loads what a player loads first. */
async function beginApp(deviceId: string) {
  const viewer = () => person(video.ownerId, deviceId);
  const path = `/v1/videos/${video.id}/play`;
  const begun = await server(await viewer(), 'POST', path, { json: { deviceId, ttlSeconds: TOKEN_SECONDS } });
  let answer = (await begun.json()) as PlayAnswer;
  const masterPath = pathAfterToken(answer.hls!);
  const held = new Map<string, number>();
  const counts = { requests: 0, failed: 0, renewals: 0 };

  const renew = async () => {
    const renewed = await server(await viewer(), 'POST', `/v1/sessions/${answer.sessionId}/renew`, {
      json: {},
    });
    answer = (await renewed.json()) as PlayAnswer;
    counts.renewals++;
    // The cache's key is what is left without the token.
    expect(pathAfterToken(answer.hls!)).toBe(masterPath);
  };
  const urlOf = (name: string) => new URL(name, answer.hls).href;
  const loadOne = async (name: string) => {
    const url = urlOf(name);
    if (held.has(pathAfterToken(url))) return;
    const response = await server(ANYONE, 'GET', url);
    const { byteLength } = await response.arrayBuffer();
    counts.requests++;
    if (response.status !== 200) counts.failed++;
    else held.set(pathAfterToken(url), byteLength);
  };
  const load = async (...names: string[]) => {
    if (Date.parse(answer.expiresAt) - Date.now() < RENEWAL_MARGIN_SECONDS * SECOND_MS) await renew();
    await Promise.all(names.map(loadOne));
  };

  await load('master.m3u8');
  for (const stem of STEMS) await load(playlistName(stem), initName(stem));
  return { load, renew, urlOf, held, counts };
}

function pathAfterToken(url: string): string {
  const [, , , ...key] = new URL(url).pathname.split('/');
  return key.join('/');
}

function passTime(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * SECOND_MS);
}

/** D1 tells the time of its own machine; its statements are given the time it is here. */
function movedDatabase(): D1Database {
  const moved = (sql: string) => sql.replaceAll('unixepoch()', String(Math.floor(Date.now() / SECOND_MS)));
  const db = env.DB;
  return new Proxy(db, {
    get: (_, name) => {
      if (name === 'prepare') return (sql: string) => db.prepare(moved(sql));
      const value = Reflect.get(db, name) as unknown;
      return typeof value === 'function' ? value.bind(db) : value;
    },
  });
}

function countedBucket(): R2Bucket {
  const bucket = env.MEDIA;
  return new Proxy(bucket, {
    get: (_, name) => {
      if (name === 'get') objectReads++;
      const value = Reflect.get(bucket, name) as unknown;
      return typeof value === 'function' ? value.bind(bucket) : value;
    },
  });
}
