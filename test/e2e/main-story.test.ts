import { existsSync } from 'node:fs';
import { join } from 'node:path';
import HLS from 'hls-parser';
import { Parser } from 'm3u8-parser';
import { parse as parseMpd } from 'mpd-parser';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiAt, type Json, jobEnd, type Method, uploadFile, watchJob } from '../support/api.ts';
import { CHROMIUM, launchBrowser, openPage, play, servePlayers, untilPlaying } from '../support/browser.ts';
import { CORPUS, ffmpeg, makeClip, makeFolder } from '../support/media.ts';
import { measuredBitrates, packetsOf, readHls } from '../support/published.ts';
import { scrub } from '../support/scrub.ts';
import { startStack } from '../support/stack.ts';
import { tellRecommendations } from './recommend-story.ts';
import { tellTexts } from './texts-story.ts';

// The product's promise, as a user meets it: a clip goes in by each of three ways, an adaptive stream plays.

const hasBrowser = existsSync(CHROMIUM);

let stack: Awaited<ReturnType<typeof startStack>>;
let api: Api;
let admin: Api;
let browser: Browser;
let players: Awaited<ReturnType<typeof servePlayers>>;
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('story');
  [stack, browser, players] = await Promise.all([
    // Trainings have no tickets: they are found by asking.
    startStack({ transcoders: 1, transcoderEnv: { IDLE_CLAIM_MS: '1000' } }),
    launchBrowser(),
    servePlayers(),
  ]);
  api = apiAt(stack.url, await stack.token('uploader'));
  admin = apiAt(stack.url, await stack.token('admin'));
});

afterAll(async () => {
  await browser?.close();
  await players?.close();
  await stack?.stop();
});

// Real clips where the corpus is there; frame counts are those of its manifest.
const CLIPS: { method: Method; file: string; frames: number; fps: number }[] = [
  { method: 'single', file: 'bbb-480p24-30s.mp4', frames: 720, fps: 24 },
  { method: 'multipart', file: 'butterfly-720p-7s.mp4', frames: 226, fps: 30000 / 1001 },
  { method: 'presigned', file: 'car-detection.mp4', frames: 377, fps: 12.5 },
];

async function clipFor(clip: (typeof CLIPS)[number]): Promise<{ path: string; frames: number }> {
  if (CORPUS) return { path: join(CORPUS, clip.file), frames: clip.frames };
  const path = await makeClip(join(folder, `${clip.method}.mp4`), { seconds: 14, size: '640x480' });
  return { path, frames: 420 };
}

describe.each(CLIPS)('a clip uploaded by $method', (clip) => {
  let answer: Json;
  let events: Json[];
  let urls: Json;
  let frames: number;

  it('is transcoded while a WebSocket tells progress up to 100', async () => {
    const source = await clipFor(clip);
    frames = source.frames;
    answer = await uploadFile(api, source.path, clip.method, {
      title: `By ${clip.method}`,
      preset: 'ultrafast',
    });
    events = await watchJob(api, answer.jobId);

    const job = await jobEnd(api, answer.jobId);
    expect(job.error).toBeUndefined();
    expect(job).toMatchObject({ state: 'succeeded', progress: 100 });
    expect(events[0]!.type).toBe('snapshot');
    expect(events.at(-1)).toMatchObject({ type: 'ready', progress: 100, state: 'succeeded' });
    const told = events.map((event) => event.progress);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    urls = await api.call(`/v1/videos/${answer.videoId}/play`, { method: 'POST', json: {} });
  });

  it('is a set of renditions with exact frames and key frames at the same times', async () => {
    const published = await readHls(urls.hls);
    expect(published.variants.length).toBeGreaterThan(1);
    const keyTimes: number[][] = [];
    for (const { playlist, attributes } of published.variants) {
      const packets = await packetsOf(playlist.url);
      expect(packets, attributes.RESOLUTION).toHaveLength(frames);
      const decodeTimes = packets.map((packet) => packet.dts);
      expect(decodeTimes).toEqual([...decodeTimes].sort((a, b) => a - b));
      expect(new Set(decodeTimes).size).toBe(frames);
      keyTimes.push(packets.filter((packet) => packet.isKey).map((packet) => packet.pts));
    }
    for (const times of keyTimes) expect(times).toEqual(keyTimes[0]);
  });

  it('declares bandwidths that hold for the bytes served', async () => {
    const published = await readHls(urls.hls);
    const sound = await Promise.all(
      published.audio.map(async ({ attributes, playlist }) => ({
        group: attributes['GROUP-ID'],
        ...(await measuredBitrates(playlist)),
      })),
    );
    for (const { attributes, playlist } of published.variants) {
      const own = sound.filter(({ group }) => group === attributes.AUDIO);
      const audioAverage = Math.max(0, ...own.map(({ averageBps }) => averageBps));
      const picture = await measuredBitrates(playlist);
      expect(Number(attributes.BANDWIDTH)).toBeGreaterThanOrEqual(Math.floor(picture.peakBps));
      const average = picture.averageBps + audioAverage;
      expect(Math.abs(Number(attributes['AVERAGE-BANDWIDTH']) - average) / average).toBeLessThan(0.01);
    }
  });

  it('is accepted by three parsers nobody here wrote', async () => {
    const master = await (await fetch(urls.hls)).text();
    const parsed = HLS.parse(master) as unknown as {
      isMasterPlaylist: boolean;
      variants: { uri: string; isIFrameOnly: boolean }[];
    };
    expect(parsed.isMasterPlaylist).toBe(true);
    for (const { uri } of parsed.variants) {
      const media = await (await fetch(new URL(uri, urls.hls))).text();
      const parser = new Parser();
      parser.push(media);
      parser.end();
      expect(parser.manifest.endList).toBe(true);
      expect(parser.manifest.segments.length).toBeGreaterThan(0);
    }
    const mpd = parseMpd(await (await fetch(urls.dash)).text(), { manifestUri: urls.dash });
    const uris = (isIFrameOnly: boolean) =>
      new Set(parsed.variants.filter((one) => one.isIFrameOnly === isIFrameOnly).map(({ uri }) => uri));
    expect(mpd.playlists).toHaveLength(uris(false).size);
    expect(uris(true).size).toBe(uris(false).size);
  });

  it.skipIf(!hasBrowser).each(['hls.js', 'shaka'] as const)('plays in Chromium with %s', async (player) => {
    const url = player === 'hls.js' ? urls.hls : urls.dash;
    const report = await play(browser, players.url, player, url);
    expect(report.failures).toEqual([]);
    expect(report.pictures).toBeGreaterThan(5);
    expect(report.picturesAfterSeek).toBeGreaterThan(1);
    expect(report.soughtToSeconds).toBeCloseTo(report.durationSeconds / 2, 0);
    expect(report.heightsSeen.length).toBeGreaterThan(1);
    expect(report.decodedAudioBytes).toBeGreaterThan(0);
    expect(report.durationSeconds).toBeCloseTo(frames / clip.fps, 0);
  });

  it.skipIf(!hasBrowser)('shows the right picture for each moment while scrubbing', async () => {
    const seconds = frames / clip.fps;
    const moments = [0.1, seconds / 2, seconds - 0.1];
    const tiles = await scrub(browser, players.url, urls.dash, moments);
    for (const [index, tile] of tiles.entries()) {
      expect(tile.startSeconds).toBeLessThanOrEqual(moments[index]!);
      expect(tile.startSeconds + tile.durationSeconds).toBeGreaterThan(moments[index]!);
      expect(Math.max(tile.width, tile.height)).toBe(240);
      const own = tile.differences[index]!;
      expect(own).toBeLessThan(12);
      // Scenes that stand still have moments that look alike.
      expect(own).toBeLessThan(Math.min(...tile.differences) + 1);
    }
    expect(new Set(tiles.map(({ startSeconds }) => startSeconds)).size).toBe(moments.length);
    for (const url of [urls.storyboard, urls.preview]) expect((await fetch(url)).status).toBe(200);
  });
});

describe('a film in two languages with subtitles', () => {
  tellTexts(hasBrowser, () => ({ api, browser, playersUrl: players.url }));
});

describe('the watch page', () => {
  it.skipIf(!hasBrowser)('shows a video while it is transcoded and plays it when it is ready', async () => {
    const path = await makeClip(join(folder, 'watch.mp4'), { seconds: 12, size: '1280x720' });
    const page = await openPage(browser);
    // However slow the browser is: nothing is made before the page has been seen.
    await stack.killTranscoder(0, 'SIGSTOP');
    try {
      const { videoId } = await uploadFile(api, path, 'single', { title: 'A link to open' });
      const link = await api.call(`/v1/videos/${videoId}/watch-link`, { method: 'POST', json: {} });
      await page.goto(link.url);
      await page.waitForSelector('body[data-state="processing"]');
    } finally {
      await stack.killTranscoder(0, 'SIGCONT');
    }
    await page.waitForSelector('body[data-state="ready"]', { timeout: 150_000 });
    await page.evaluate(() => document.querySelector('video')?.play());
    await untilPlaying(page);
    await page.screenshot({ path: join(folder, 'watch.png') });
    expect(await page.textContent('body')).toContain('A link to open');
    await page.close();
  });

  it.skipIf(!hasBrowser)('plays a file that holds only sound', async () => {
    const path = join(folder, 'sound.m4a');
    await ffmpeg(['-f', 'lavfi', '-i', 'sine=d=13', '-c:a', 'aac', '-ac', '2', path]);
    const { videoId, jobId } = await uploadFile(api, path, 'single', { audioOnly: true });
    expect((await jobEnd(api, jobId)).state).toBe('succeeded');
    const link = await api.call(`/v1/videos/${videoId}/watch-link`, { method: 'POST', json: {} });
    const page = await openPage(browser);
    await page.goto(link.url);
    await page.waitForSelector('body[data-state="ready"]');
    await page.evaluate(() => document.querySelector('video')?.play());
    await untilPlaying(page);
    expect(await page.evaluate(() => document.querySelector('video')?.duration)).toBeCloseTo(13, 0);
    await page.close();

    const { dash } = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
    const report = await play(browser, players.url, 'shaka', dash);
    expect(report.failures).toEqual([]);
    expect(report.decodedAudioBytes).toBeGreaterThan(0);
    expect(report.soughtToSeconds).toBeCloseTo(report.durationSeconds / 2, 0);
  });

  it('refuses a link for another video', async () => {
    const path = await makeClip(join(folder, 'other.mp4'), { seconds: 2 });
    const mine = await uploadFile(api, path, 'single');
    const other = await uploadFile(api, path, 'single');
    const link = await api.call(`/v1/videos/${mine.videoId}/watch-link`, { method: 'POST', json: {} });
    const guest = apiAt(stack.url, decodeURIComponent(new URL(link.url).hash.replace('#t=', '')));
    expect((await guest.request(`/v1/videos/${mine.videoId}`)).status).toBe(200);
    expect((await guest.request(`/v1/videos/${other.videoId}`)).status).toBe(404);
  });
});

describe('viewers of the library', () => {
  tellRecommendations(() => ({ admin, stateFolder: join(stack.home, 'state') }));
});
