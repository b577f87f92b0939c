// Watching together and media over WebSocket on the local stack: how far two browsers drift apart with one of them
// slowed down, and whether 20 viewers of the stream and a browser play through, with what memory.
import { rm } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { MIB } from '../shared/limits.ts';
import { type Api, apiAt, jobEnd, uploadFile } from '../test/support/api.ts';
import { launchBrowser } from '../test/support/browser.ts';
import { makeClip, makeFolder } from '../test/support/media.ts';
import {
  enterRoom,
  type RoomStage,
  slowDown,
  untilTogether,
  watchApart,
} from '../test/support/room-pages.ts';
import { startStack } from '../test/support/stack.ts';
import { listDescendants, residentBytes } from './processes.ts';
import { openViewer, type StreamViewer } from './stream-viewer.ts';

/** ROOMS_SECONDS for a shorter look. */
const SECONDS = Number(process.env.ROOMS_SECONDS ?? 120);
const MARGIN_SECONDS = 45;
const SLOW_TIMES = 4;
const VIEWERS = 20;
/** Between two who join: a crowd does not come in one moment. */
const APART_MS = 100;
const MEMORY_MS = 1000;

/** What is promised. */
const MOST_DRIFT_MS = 100;

const LADDER = [
  { shortSidePixels: 180, maxBitrateBps: 300_000 },
  { shortSidePixels: 360, maxBitrateBps: 800_000 },
];

export async function benchRooms(): Promise<void> {
  const folder = await makeFolder('bench-rooms');
  const stack = await startStack({ transcoders: 1 });
  const browser = await launchBrowser();
  try {
    const api = apiAt(stack.url, await stack.token('uploader'));
    const clip = join(folder, 'film.mp4');
    await makeClip(clip, { seconds: SECONDS + MARGIN_SECONDS, size: '640x360', bitrate: '900k' });
    const choices = { preset: 'ultrafast', ladder: LADDER };
    const { videoId, jobId } = await uploadFile(api, clip, 'multipart', choices);
    const { state, error } = await jobEnd(api, jobId, 300_000);
    if (state !== 'succeeded') throw new Error(`the film was not made: ${JSON.stringify(error)}`);
    tellLoad();
    await drift({ api, browser }, videoId);
    tellLoad();
    await streams({ api, browser }, videoId);
    tellLoad();
  } finally {
    await browser.close();
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function drift(stage: RoomStage, videoId: string): Promise<void> {
  const { id } = await stage.api.call('/v1/rooms', { method: 'POST', json: { videoId, control: 'open' } });
  const [one, other] = [
    await enterRoom(stage, `rooms/${id}`, 'Grace'),
    await enterRoom(stage, `rooms/${id}`, 'Ada'),
  ];
  for (const page of [one, other]) await page.getByText('You are in the room.').waitFor();
  await slowDown(other, SLOW_TIMES);
  await one.getByRole('button', { name: 'Play' }).click();
  const startedMs = Date.now();
  await untilTogether(one, other, MOST_DRIFT_MS, 30_000);
  const joinedSeconds = (Date.now() - startedMs) / 1000;
  const { apartMs, waits } = await watchApart(one, other, SECONDS);
  const sorted = apartMs.toSorted((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Infinity;
  console.log(
    `two browsers in a room for ${SECONDS} s, one of them slowed down ×${SLOW_TIMES}; together ${joinedSeconds.toFixed(1)} s after play`,
  );
  console.log(
    `  apart, ms: p50 ${at(0.5).toFixed(0)}, p95 ${at(0.95).toFixed(0)}, max ${at(1).toFixed(0)} of ${sorted.length} samples; ${waits} samples with one of them waiting`,
  );
  console.log(`  promised: at most ${MOST_DRIFT_MS} ms ${outcome(at(1) <= MOST_DRIFT_MS)}`);
  for (const page of [one, other]) await page.context().close();
}

async function streams(stage: RoomStage, videoId: string): Promise<void> {
  const before = await workerdBytes();
  let peak = before;
  const memory = setInterval(() => {
    void workerdBytes().then((bytes) => {
      peak = Math.max(peak, bytes);
    });
  }, MEMORY_MS);
  const page = await browserViewer(stage, videoId);
  const viewers: StreamViewer[] = [];
  for (let count = 0; count < VIEWERS; count++) {
    viewers.push(await openViewer(await streamUrl(stage.api, videoId)));
    await new Promise((resolve) => setTimeout(resolve, APART_MS));
  }
  const stallsBefore = await stallsOf(page);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const reports = viewers.map((viewer) => viewer.stop());
  const inBrowser = await stallsOf(page);
  clearInterval(memory);
  const after = await workerdBytes();
  await page.context().close();
  const stalled = reports.filter(({ stalls, failure }) => stalls > 0 || failure !== undefined);
  const sum = (of: (report: (typeof reports)[number]) => number) =>
    reports.reduce((all, each) => all + of(each), 0);
  const least = Math.min(...reports.map(({ playedSeconds }) => playedSeconds));
  const starts = reports.map(({ startMs }) => startMs).toSorted((a, b) => a - b);
  console.log(`${VIEWERS} viewers of the media stream in Node at 1x, and one in Chromium, for ${SECONDS} s`);
  console.log(
    `  ${(sum(({ bytes }) => bytes) / MIB).toFixed(0)} MiB in ${sum(({ frames }) => frames)} frames; first picture after ${starts[Math.floor(VIEWERS / 2)]!.toFixed(0)} ms (median), ${starts.at(-1)!.toFixed(0)} ms (last); each played ${least.toFixed(0)} s at least`,
  );
  const browserStalls = inBrowser.stalls - stallsBefore.stalls;
  const played = inBrowser.seconds - stallsBefore.seconds;
  console.log(
    `  stalled: ${stalled.length} of ${VIEWERS}; Chromium ${browserStalls} times in ${played.toFixed(0)} s ${outcome(stalled.length === 0 && browserStalls === 0)}`,
  );
  for (const { stalls, failure } of stalled) console.log(`    ${stalls} stalls, ${failure ?? 'no failure'}`);
  console.log(
    `  resident memory of workerd (all Workers and simulators): ${mib(before)} MiB before, ${mib(peak)} at most, ${mib(after)} after`,
  );
}

async function browserViewer(stage: RoomStage, videoId: string): Promise<Page> {
  const { id } = await stage.api.call('/v1/rooms', { method: 'POST', json: { videoId, control: 'open' } });
  const page = await enterRoom(stage, `rooms/${id}`, 'Chromium');
  await page.getByText('You are in the room.').waitFor();
  await page.getByLabel('Media comes by').selectOption('stream');
  await page.evaluate(() => {
    const video = document.querySelector('video')!;
    video.addEventListener('waiting', () => {
      video.dataset.stalls = String(Number(video.dataset.stalls ?? 0) + 1);
    });
  });
  await page.getByRole('button', { name: 'Play' }).click();
  await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 1);
  return page;
}

async function stallsOf(page: Page): Promise<{ stalls: number; seconds: number }> {
  return await page.evaluate(() => {
    const video = document.querySelector('video')!;
    return { stalls: Number(video.dataset.stalls ?? 0), seconds: video.currentTime };
  });
}

/** A session of its own for everybody. */
async function streamUrl(api: Api, videoId: string): Promise<URL> {
  const { hls } = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
  const url = new URL(`/p/${new URL(hls).pathname.split('/')[2]}/stream`, api.url);
  url.protocol = 'ws:';
  return url;
}

async function workerdBytes(): Promise<number> {
  const all = (await listDescendants(process.pid)).filter(({ name }) => name === 'workerd');
  const sizes = await Promise.all(all.map(({ pid }) => residentBytes(pid)));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

function tellLoad(): void {
  console.log(`load: ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores`);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}

function outcome(isKept: boolean): string {
  if (!isKept) process.exitCode = 1;
  return isKept ? 'kept' : 'MISSED';
}
