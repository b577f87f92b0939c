import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { PREWARM_REGIONS, type PrewarmAnswer } from '../../shared/prewarm-api.ts';
import { cacheKeyOf } from '../../worker/playback/media-store.ts';
import { openingNames } from '../../worker/playback/prewarm-names.ts';
import {
  AUDIO,
  bearer,
  bytesOf,
  outcome,
  type PublishedVideo,
  post,
  publishVideo,
  VIDEO,
} from './playback-fixtures.ts';

// Segments of 4 s each, three of them, in three rungs and one sound.
const TRACKS = { video: VIDEO, audio: AUDIO, subtitles: [] };
const STEMS = ['stream_240p', 'stream_480p', 'stream_720p', 'audio_en'];

async function publishWhole(): Promise<PublishedVideo> {
  const video = await publishVideo();
  await env.MEDIA.put(`${video.prefix}tracks.json`, JSON.stringify(TRACKS));
  const names = STEMS.flatMap((stem) => [
    ...[`${stem}.m3u8`, `${stem}_init.mp4`],
    ...[0, 1, 2].map((index) => `${stem}_00${index}.m4s`),
  ]);
  await Promise.all(names.map((name) => env.MEDIA.put(video.prefix + name, bytesOf(100))));
  return video;
}

async function prewarm(video: PublishedVideo, body: object): Promise<PrewarmAnswer> {
  const response = await post(
    `/v1/videos/${video.id}/prewarm`,
    await bearer(video.ownerId, 'uploader'),
    body,
  );
  expect(response.status).toBe(202);
  return (await response.json()) as PrewarmAnswer;
}

function regionObject(region: string) {
  const objects = env.PREWARM_REGIONS;
  return objects.get(objects.idFromName(`prewarm:${region}`));
}

/** Until the order is worked off, whether its alarm has gone off by itself or not. */
async function finished(video: PublishedVideo, body: object): Promise<PrewarmAnswer> {
  let answer = await prewarm(video, body);
  await expect
    .poll(
      async () => {
        for (const { region } of answer.regions) await runDurableObjectAlarm(regionObject(region));
        answer = await prewarm(video, body);
        return answer.regions.every(({ state }) => state === 'done');
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  return answer;
}

test('prewarming puts the beginning of every rung into the cache, and nothing behind it', async () => {
  const video = await publishWhole();
  const answer = await finished(video, { regions: ['weur'], seconds: 5 });
  // Two manifests; of four tracks the list, the init segment and two segments.
  const total = 2 + 4 * 4;
  expect(answer).toEqual({
    videoId: video.id,
    seconds: 5,
    regions: [{ region: 'weur', state: 'done', total, warmed: total, failed: 0 }],
  });
  const isWarm = async (name: string) =>
    (await caches.default.match(cacheKeyOf(video.prefix + name))) !== undefined;
  for (const stem of STEMS) {
    expect(await isWarm(`${stem}_001.m4s`)).toBe(true);
    expect(await isWarm(`${stem}_002.m4s`)).toBe(false);
  }
});

test('the same order again is the same work, a longer one is more', async () => {
  const video = await publishWhole();
  const first = await finished(video, { regions: ['apac'], seconds: 4 });
  const atMs = async () =>
    await runInDurableObject(
      regionObject('apac'),
      async (_object, state) => state.storage.kv.get<{ atMs: number }>(`task:${video.prefix}`)?.atMs,
    );
  const begunMs = await atMs();
  expect((await prewarm(video, { regions: ['apac', 'apac'], seconds: 3 })).regions).toEqual(first.regions);
  expect(await atMs()).toBe(begunMs);
  const longer = await finished(video, { regions: ['apac'], seconds: 12 });
  expect(longer.regions[0]!.total).toBe(first.regions[0]!.total! + 2 * STEMS.length);
});

test('an object that cannot be read is counted and keeps no other from its warmth', async () => {
  const video = await publishWhole();
  await env.MEDIA.delete(`${video.prefix}stream_480p_000.m4s`);
  const { regions } = await finished(video, { regions: ['oc'], seconds: 1 });
  expect(regions).toEqual([{ region: 'oc', state: 'done', total: 14, warmed: 13, failed: 1 }]);
});

describe('prewarming', () => {
  test.each([
    ['a region there is not', { regions: ['weur', 'moon'] }, '400 region_unknown'],
    ['no region', { regions: [] }, '400 invalid_request'],
    ['more than five minutes', { seconds: 301 }, '400 invalid_request'],
  ])('is refused for %s, and taken without it', async (_what, body, refusal) => {
    const video = await publishWhole();
    const headers = await bearer(video.ownerId, 'uploader');
    const path = `/v1/videos/${video.id}/prewarm`;
    expect(await outcome(await post(path, headers, body))).toBe(refusal);
    expect(await outcome(await post(path, headers, { regions: ['weur'], seconds: 300 }))).toBe('202');
  });

  test('is for the owner of a published video alone', async () => {
    const video = await publishWhole();
    const unpublished = await publishVideo({ isPublished: false });
    const ask = async (id: string, headers: Record<string, string>) =>
      await outcome(await post(`/v1/videos/${id}/prewarm`, headers, { regions: ['me'] }));
    expect(await ask(video.id, await bearer(video.ownerId, 'uploader'))).toBe('202');
    expect(await ask(video.id, await bearer(video.ownerId, 'viewer'))).toBe('403 forbidden');
    expect(await ask(video.id, await bearer('somebody-else', 'uploader'))).toBe('404 not_found');
    expect(await ask(video.id, {})).toBe('401 unauthorized');
    expect(await ask(unpublished.id, await bearer(unpublished.ownerId, 'uploader'))).toBe(
      '409 video_not_playable',
    );
  });

  test('goes to every region where none is named', async () => {
    const video = await publishWhole();
    const { regions, seconds } = await prewarm(video, {});
    expect(seconds).toBe(30);
    expect(regions.map(({ region }) => region)).toEqual([...PREWARM_REGIONS]);
  });
});

test('what is encrypted is warmed by the manifests it has', () => {
  const names = (scheme: 'aes-128' | 'cenc') =>
    openingNames({ ...TRACKS, protection: { scheme } } as never, 5, 2).filter(
      (name) => !/\.m4s|mp4/.test(name),
    );
  expect(names('cenc')).toEqual(['manifest_r2.mpd']);
  expect(names('aes-128')).toEqual(['master_r2.m3u8', ...STEMS.map((stem) => `${stem}.m3u8`)]);
});
