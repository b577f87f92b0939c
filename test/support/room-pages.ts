// Browsers in a room of the studio, and how far apart their pictures are.
import type { Browser, CDPSession, Page } from 'playwright-core';
import type { Api } from './api.ts';

export type RoomStage = { api: Api; browser: Browser };

/** A browser of its own for every member: nothing is shared but the room. */
export async function enterRoom({ api, browser }: RoomStage, path: string, name: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 } });
  const page = await context.newPage();
  await page.addInitScript(
    ([token, myName]) => {
      localStorage.setItem('reelay.token', token!);
      localStorage.setItem('reelay.room-name', myName!);
    },
    [api.token, name],
  );
  await page.goto(`${api.url}/#/${path}`);
  return page;
}

/** Everything the page does takes this many times as long. */
export async function slowDown(page: Page, times: number): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: times });
  return session;
}

/** Takes a picture that many seconds back. @returns milliseconds it is behind the other one then */
export async function setBack(one: Page, behind: Page, seconds: number): Promise<number> {
  const [a, b] = await Promise.all([
    sampleOf(one),
    behind.evaluate((back) => {
      const video = document.querySelector('video')!;
      video.currentTime -= back;
      return { atMs: Date.now(), seconds: video.currentTime };
    }, seconds),
  ]);
  return (a.seconds - b.seconds) * 1000 - (a.atMs - b.atMs);
}

type Sample = { atMs: number; seconds: number; isPlaying: boolean };

export async function sampleOf(page: Page): Promise<Sample> {
  return await page.evaluate(() => {
    const video = document.querySelector('video')!;
    const isPlaying = !video.paused && !video.seeking && video.readyState >= 3;
    return { atMs: Date.now(), seconds: video.currentTime, isPlaying };
  });
}

/** Milliseconds between two pictures that play at the room's rate of 1; undefined while one of them does not play. */
export async function apartMs(one: Page, other: Page): Promise<number | undefined> {
  const [a, b] = await Promise.all([sampleOf(one), sampleOf(other)]);
  if (!a.isPlaying || !b.isPlaying) return undefined;
  return Math.abs((a.seconds - b.seconds) * 1000 - (a.atMs - b.atMs));
}

/** Long enough for a machine that is busy with other things. */
export const TOGETHER_MS = 60_000;

/** @throws Error where the pictures are not within `limitMs` three times in a row in time */
export async function untilTogether(
  one: Page,
  other: Page,
  limitMs: number,
  timeoutMs = TOGETHER_MS,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  const seen: (number | undefined)[] = [];
  while (Date.now() < endMs) {
    seen.push(await apartMs(one, other));
    const last = seen.slice(-3);
    if (last.length === 3 && last.every((ms) => ms !== undefined && ms <= limitMs)) return;
    await one.waitForTimeout(250);
  }
  throw new Error(`the pictures are apart: ${seen.slice(-12).map((ms) => ms?.toFixed(0) ?? '-')} ms`);
}

/** Samples for a while. @returns what was measured, and how often one of them did not play */
export async function watchApart(
  one: Page,
  other: Page,
  seconds: number,
): Promise<{ apartMs: number[]; waits: number }> {
  const measured: number[] = [];
  let waits = 0;
  for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs; ) {
    const ms = await apartMs(one, other);
    if (ms === undefined) waits += 1;
    else measured.push(ms);
    await one.waitForTimeout(250);
  }
  return { apartMs: measured, waits };
}
