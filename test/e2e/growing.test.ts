import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiAt, type Json, jobEnd, uploadFile } from '../support/api.ts';
import { CHROMIUM, launchBrowser, openPage, servePlayers, untilPlaying } from '../support/browser.ts';
import { type WatchedLists, watchLists } from '../support/growing-lists.ts';
import { ffmpeg, makeClip, makeFolder } from '../support/media.ts';
import { packetsOf } from '../support/published.ts';
import { startStack } from '../support/stack.ts';

// A video is watched while it is made: whoever begins then sees it to its end.

const hasBrowser = existsSync(CHROMIUM);
/**
 * Long, at little effort: that takes some seconds, and a busy machine too is several times faster than real time.
 * Slower than that nothing would be shown before its end.
 */
const CLIP_SECONDS = 144;
const SEGMENTS = 24;
/** Played from a copy while its ladder takes some seconds. */
const COPY_SECONDS = 40;
const LADDER = [
  { shortSidePixels: 120, maxBitrateBps: 200_000 },
  { shortSidePixels: 180, maxBitrateBps: 300_000 },
];

let stack: Awaited<ReturnType<typeof startStack>>;
let api: Api;
let browser: Browser;
let players: Awaited<ReturnType<typeof servePlayers>>;
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('growing');
  [stack, browser, players] = await Promise.all([
    startStack({ transcoders: 1 }),
    launchBrowser(),
    servePlayers(),
  ]);
  api = apiAt(stack.url, await stack.token('uploader'));
});

afterAll(async () => {
  await browser?.close();
  await players?.close();
  await stack?.stop();
});

async function untilState(videoId: string, states: string[]): Promise<Json> {
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    const video = await api.call(`/v1/videos/${videoId}`);
    if (states.includes(video.state)) return video;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the video did not become ${states.join(' or ')}`);
}

const isReady = async (videoId: string) => (await api.call(`/v1/videos/${videoId}`)).state !== 'playable';
const play = (videoId: string) => api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });

/** Plays in a page of its own from now on, and tells what went wrong until the page is asked. */
async function startPlaying(url: string): Promise<{ page: Page; report(): Promise<Json> }> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on('response', (response) => {
    if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) {
      failures.push(`${response.status()} ${new URL(response.url()).pathname.split('/').at(-1)}`);
    }
  });
  await page.goto(players.url);
  await page.evaluate(`(async () => {
    const video = document.getElementById('video');
    const hls = new Hls({ startLevel: 0, maxBufferLength: 8 });
    window.hls = hls;
    window.failures = [];
    window.waits = 0;
    // A stall is where there is nothing to show; what is there a busy machine may show late.
    const isDry = () => {
      const { buffered, currentTime } = video;
      const isAhead = (range) => buffered.start(range) < currentTime + 0.1 && buffered.end(range) > currentTime + 0.5;
      return ![...Array(buffered.length).keys()].some(isAhead);
    };
    hls.on(Hls.Events.ERROR, (_event, data) => {
      if (data.fatal || (data.details === 'bufferStalledError' && isDry())) window.failures.push(data.details);
    });
    video.addEventListener('playing', () => {
      window.beganAt = video.currentTime;
      video.addEventListener('waiting', () => { if (!video.seeking && isDry()) window.waits += 1; });
    }, { once: true });
    hls.loadSource(${JSON.stringify(url)});
    hls.attachMedia(video);
    await video.play();
  })()`);
  return {
    page,
    report: async () => {
      const state = (await page.evaluate(
        '({ at: video.currentTime, beganAt, duration: video.duration, failures, waits, dropped: video.getVideoPlaybackQuality().totalVideoFrames })',
      )) as Json;
      return { ...state, failures: [...failures, ...state.failures] };
    },
  };
}

describe('a source that must be encoded', () => {
  let videoId: string;
  let jobId: string;
  let session: Json;
  let watched: Promise<WatchedLists>;
  let player: Awaited<ReturnType<typeof startPlaying>> | undefined;
  let startedIn: string;
  let watchPage: Page | undefined;
  let preparing: string | null;

  it('is playable before it is ready, and played from its beginning', async () => {
    const path = join(folder, 'mpeg4.mp4');
    const picture = `testsrc2=size=320x180:rate=25:duration=${CLIP_SECONDS}`;
    const sound = `sine=frequency=440:sample_rate=48000:duration=${CLIP_SECONDS}`;
    const coded = ['-c:v', 'mpeg4', '-q:v', '4', '-g', '25', '-c:a', 'aac', '-shortest'];
    await ffmpeg(['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound, ...coded, path]);
    const uploaded = await uploadFile(api, path, 'single', { preset: 'veryfast', ladder: LADDER });
    ({ videoId, jobId } = uploaded as { videoId: string; jobId: string });
    expect((await untilState(videoId, ['playable', 'ready', 'failed'])).state).toBe('playable');
    session = await play(videoId);
    expect(session.dash).toBeUndefined();
    watched = watchLists(session.hls, () => isReady(videoId));
    if (!hasBrowser) return;
    const link = await api.call(`/v1/videos/${videoId}/watch-link`, { method: 'POST', json: {} });
    watchPage = await openPage(browser);
    await watchPage.goto(link.url);
    player = await startPlaying(session.hls);
    await untilPlaying(player.page);
    await watchPage.waitForSelector('#preparing');
    preparing = await watchPage.textContent('#preparing');
    startedIn = (await api.call(`/v1/videos/${videoId}`)).state;
    expect((await player.report()).beganAt).toBeLessThan(10);
  }, 300_000);

  it('has lists that only grow, never stand still for long, and become the finished ones', async () => {
    const { faults, lengthsSeen, replaced } = await watched;
    expect(faults).toEqual([]);
    expect(lengthsSeen.length).toBeGreaterThan(2);
    expect(lengthsSeen[0]).toBeLessThan(SEGMENTS);
    expect(lengthsSeen.at(-1)).toBe(SEGMENTS);
    expect(replaced).toHaveLength(3);
    expect(await jobEnd(api, jobId)).toMatchObject({ state: 'succeeded' });
  });

  it.skipIf(!hasBrowser)('is played on over the change, without a stall or a refusal', async () => {
    expect(startedIn).toBe('playable');
    const before = await player!.report();
    const within = { timeout: 60_000 };
    await player!.page.waitForFunction(`video.currentTime > ${before.at} + 2`, undefined, within);
    // The player reads the list again only once in a target duration.
    await player!.page.waitForFunction(`Math.abs(video.duration - ${CLIP_SECONDS}) < 0.5`, undefined, within);
    const after = await player!.report();
    expect(after.failures).toEqual([]);
    expect(after.waits).toBe(0);
    expect(after.at).toBeGreaterThan(before.at + 2);
    expect(after.duration).toBeCloseTo(CLIP_SECONDS, 0);
    await player!.page.evaluate(`video.currentTime = ${CLIP_SECONDS - 4}`);
    await player!.page.waitForFunction(
      `video.ended || video.currentTime > ${CLIP_SECONDS - 1.5}`,
      undefined,
      within,
    );
    expect((await player!.report()).failures).toEqual([]);
    await player!.page.close();
  });

  it.skipIf(!hasBrowser)(
    'is shown on the watch page, which says that it is being prepared until it is not',
    async () => {
      expect(preparing).toMatch(/^Still being prepared/);
      await watchPage!.waitForSelector('#preparing', { state: 'hidden' });
      await watchPage!.evaluate(() => document.querySelector('video')?.play());
      await untilPlaying(watchPage!);
      await watchPage!.close();
    },
  );

  it('gives new sessions the ladder under the same names, and the old one keeps its own', async () => {
    const later = await play(videoId);
    expect(later.dash).toBeDefined();
    const renewed = await api.call(`/v1/sessions/${session.sessionId}/renew`, { method: 'POST', json: {} });
    const prefixOf = (url: string) => new URL(url).pathname.split('/').slice(3).join('/');
    expect(prefixOf(renewed.hls)).toBe(prefixOf(session.hls));
    expect(renewed.dash).toBeDefined();
  });
});

describe('a source that is clean H.264', () => {
  it('is played from a copy, by whoever began with it to the end, while new sessions get the ladder', async () => {
    // A copy far above the ladder's top would not be offered.
    const clip = { seconds: COPY_SECONDS, size: '320x180', rate: '25', bitrate: '300k' };
    const path = await makeClip(join(folder, 'clean.mp4'), clip);
    const uploaded = await uploadFile(api, path, 'single', { preset: 'veryfast', ladder: LADDER });
    const videoId = String(uploaded.videoId);
    expect((await untilState(videoId, ['playable', 'ready', 'failed'])).state).toBe('playable');
    const session = await play(videoId);
    expect(session.hls).toContain(`${uploaded.jobId}-instant/`);
    const { faults, lengthsSeen } = await watchLists(session.hls, () => isReady(videoId));
    expect(faults).toEqual([]);
    expect((await play(videoId)).hls).toContain(`${uploaded.jobId}/`);

    const lists = await watchLists(session.hls, async () => true, 0);
    expect(lists.faults).toEqual([]);
    expect(lists.lengthsSeen).toEqual([lengthsSeen.at(-1)]);
    const stored = await packetsOf(await onlyVariant(session.hls));
    expect(stored).toHaveLength(COPY_SECONDS * 25);
    if (!hasBrowser) return;
    const player = await startPlaying(session.hls);
    await untilPlaying(player.page);
    const report = await player.report();
    expect(report.failures).toEqual([]);
    expect(report.duration).toBeCloseTo(COPY_SECONDS, 0);
    await player.page.close();
  });
});

async function onlyVariant(masterUrl: string): Promise<string> {
  const uri = (await (await fetch(masterUrl)).text()).split('\n').find((line) => /^[^#].*\.m3u8$/.test(line));
  return new URL(uri!, masterUrl).href;
}
