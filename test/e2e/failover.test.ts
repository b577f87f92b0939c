// Two media hosts in front of one stack: the first one dies in the middle of a film, and the players go on.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type Api, apiAt, jobEnd, uploadFile } from '../support/api.ts';
import { CHROMIUM, launchBrowser, servePlayers } from '../support/browser.ts';
import { type LoopbackProxy, startProxy } from '../support/loopback-proxy.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';

const run = promisify(execFile);

/** What is still to come when the host dies, at least: more than the players are told to hold. */
const FILM_SECONDS = 40;
const BUFFER_SECONDS = 4;
const PAST_SECONDS = 10;

let stack: Awaited<ReturnType<typeof startStack>>;
let players: Awaited<ReturnType<typeof servePlayers>>;
let browser: Browser | undefined;
let second: LoopbackProxy;
let secondUrl: string;
let api: Api;
let answer: PlayAnswer;
let place: string;

beforeAll(async () => {
  second = await startProxy(() => stack.url);
  // Another name than the first host's: by it, and not by its port, Shaka tells which host has failed.
  secondUrl = second.url.replace('127.0.0.1', 'localhost');
  const folder = await makeFolder('failover');
  const [film] = await Promise.all([
    makeClip(join(folder, 'film.mp4'), { seconds: FILM_SECONDS, size: '320x180', rate: '25' }),
    (async () => {
      stack = await startStack({ transcoders: 1, env: { MEDIA_FALLBACK_URL: secondUrl } });
      players = await servePlayers();
      if (existsSync(CHROMIUM)) browser = await launchBrowser();
    })(),
  ]);
  api = apiAt(stack.url, await stack.token('uploader'));
  const ladder = [90, 180].map((shortSidePixels) => ({ shortSidePixels, maxBitrateBps: 400_000 }));
  const choices = { visibility: 'public', preset: 'ultrafast', segmentSeconds: 2, ladder };
  const { videoId, jobId } = await uploadFile(api, film, 'single', choices);
  const job = await jobEnd(api, jobId);
  if (job.state !== 'succeeded') throw new Error(JSON.stringify(job.error));
  answer = (await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} })) as PlayAnswer;
  place = `${stack.url}/hls/videos/${videoId}/`;
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await players?.close();
  await second?.end();
  await stack?.stop();
});

// In the page: strings, so that no bundler or type of this side touches them.
const HLS_JS = `async (url) => {
  const policy = { default: { maxTimeToFirstByteMs: 5000, maxLoadTimeMs: 10000, timeoutRetry: null,
    errorRetry: { maxNumRetry: 1, retryDelayMs: 100, maxRetryDelayMs: 100 } } };
  const hls = new Hls({ maxBufferLength: ${BUFFER_SECONDS}, maxMaxBufferLength: ${BUFFER_SECONDS},
    fragLoadPolicy: policy, playlistLoadPolicy: policy });
  hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) window.failures.push(data.type + ' ' + data.details); });
  hls.loadSource(url);
  hls.attachMedia(document.getElementById('video'));
}`;
const SHAKA = `async (url) => {
  const player = new shaka.Player();
  const retryParameters = { maxAttempts: 3, baseDelay: 100, timeout: 5000, connectionTimeout: 5000, stallTimeout: 5000 };
  player.configure({ streaming: { bufferingGoal: ${BUFFER_SECONDS}, retryParameters }, manifest: { retryParameters } });
  player.addEventListener('error', (event) => {
    if (event.detail.severity === 2) window.failures.push('shaka ' + event.detail.code);
  });
  await player.attach(document.getElementById('video'));
  await player.load(url);
}`;

/** Plays `path` of a first host, which ends when the film is `atSeconds` old. @returns how far the film went */
async function playThroughEnd(start: string, path: string) {
  const first = await startProxy(() => stack.url);
  const page = await browser!.newPage();
  const answers = { first: 0, second: 0 };
  page.on('response', (response) => {
    if (response.url().startsWith(secondUrl)) answers.second++;
    if (response.url().startsWith(first.url)) answers.first++;
  });
  try {
    await page.goto(players.url);
    await page.evaluate(`window.failures = []; (${start})(${JSON.stringify(first.url + path)})`);
    const reaches = (seconds: number) =>
      page.waitForFunction(
        `(() => { const video = document.querySelector('video');
          if (video.paused) { video.playbackRate = 2; video.play().catch(() => {}); }
          return window.failures.length > 0 || video.currentTime > ${seconds}; })()`,
        undefined,
        { timeout: 30_000 },
      );
    await reaches(1);
    await first.end();
    const before = { ...answers };
    await reaches(PAST_SECONDS);
    const video = `document.querySelector('video')`;
    const report = await page.evaluate(
      `({ failures, seconds: ${video}.currentTime, frames: ${video}.getVideoPlaybackQuality().totalVideoFrames })`,
    );
    const { failures, seconds, frames } = report as { failures: string[]; seconds: number; frames: number };
    return { failures, seconds, frames, before, after: answers };
  } finally {
    await page.close();
    await first.end();
  }
}

describe.skipIf(!existsSync(CHROMIUM))('a film whose first host dies', () => {
  const pathOf = (url: string | undefined) => new URL(url!).pathname;
  it.concurrent.each([
    ['hls.js, by token', HLS_JS, () => pathOf(answer.hls)],
    ['hls.js, public', HLS_JS, () => pathOf(`${place}master.m3u8`)],
    ['Shaka and HLS, by token', SHAKA, () => pathOf(answer.hls)],
    ['Shaka and HLS, public', SHAKA, () => pathOf(`${place}master.m3u8`)],
    ['Shaka and DASH, public', SHAKA, () => pathOf(`${place}manifest.mpd`)],
  ])('goes on in %s', async (_, start, path) => {
    const report = await playThroughEnd(start, path());
    expect(report.failures).toEqual([]);
    expect(report.seconds).toBeGreaterThan(PAST_SECONDS);
    // Pictures, and not the clock alone, which runs on over missing ones.
    expect(report.frames).toBeGreaterThan((PAST_SECONDS - 2) * 25 * 0.5);
    expect(report.before.first).toBeGreaterThan(4);
    expect(report.before.second).toBe(0);
    expect(report.after.second).toBeGreaterThan(2);
  });
});

describe('the same film in one file', () => {
  it('is read over HTTP to its last frame', async () => {
    const counted = ['-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames'];
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      ...counted,
      '-of',
      'csv=p=0',
      answer.progressive!,
    ]);
    expect(Number.parseInt(stdout, 10)).toBe(FILM_SECONDS * 25);
  });

  it.skipIf(!existsSync(CHROMIUM))('is played by a browser, and sought in', async () => {
    const page = await browser!.newPage();
    await page.goto(players.url);
    await page.evaluate(
      `(() => { const video = document.getElementById('video');
        video.src = ${JSON.stringify(answer.progressive)}; video.currentTime = 12; video.play().catch(() => {}); })()`,
    );
    const video = `document.getElementById('video')`;
    await page.waitForFunction(
      `${video}.currentTime > 12.5 && ${video}.getVideoPlaybackQuality().totalVideoFrames > 5`,
    );
    expect(await page.evaluate(`Math.round(${video}.duration)`)).toBe(FILM_SECONDS);
    await page.close();
  });
});
