// Plays a few seconds in hls.js or Shaka with CMCD switched on and a short buffer, so that segments are asked for
// while it plays; and tells what the player itself knows of its start.
import type { Browser } from 'playwright-core';

export type CmcdPlayer = 'hls.js' | 'shaka';
const PLAYED_SECONDS = 7;

/** Milliseconds from the wish to play to the browser's `playing`, on the page's own clock. */
export async function startupWithCmcd(
  browser: Browser,
  pageUrl: string,
  player: CmcdPlayer,
  url: string,
): Promise<number> {
  const page = await browser.newPage();
  try {
    await page.goto(pageUrl);
    return (await page.evaluate(
      `(${PLAY})(${JSON.stringify({ player, url, seconds: PLAYED_SECONDS })})`,
    )) as number;
  } finally {
    await page.close();
  }
}

/** As a page says its last words. @returns whether the browser took them */
export async function sendBeacon(
  browser: Browser,
  pageUrl: string,
  url: string,
  body: unknown,
): Promise<boolean> {
  const page = await browser.newPage();
  try {
    await page.goto(pageUrl);
    return (await page.evaluate(
      `navigator.sendBeacon(...${JSON.stringify([url, JSON.stringify(body)])})`,
    )) as boolean;
  } finally {
    await page.close();
  }
}

const PLAY = `async ({ player, url, seconds }) => {
  const video = document.getElementById('video');
  const startedMs = performance.now();
  const playing = new Promise((resolve) => video.addEventListener('playing', () => resolve(performance.now()), { once: true }));
  if (player === 'hls.js') {
    const hls = new Hls({ startLevel: 0, maxBufferLength: 3, maxMaxBufferLength: 3, cmcd: { contentId: 'film' } });
    hls.loadSource(url);
    hls.attachMedia(video);
  } else {
    const shakaPlayer = new shaka.Player();
    await shakaPlayer.attach(video);
    shakaPlayer.configure({ streaming: { bufferingGoal: 3, rebufferingGoal: 1 }, cmcd: { enabled: true, useHeaders: true, contentId: 'film' } });
    await shakaPlayer.load(url);
  }
  await video.play();
  const playingMs = await playing;
  while (video.currentTime < seconds) await new Promise((resolve) => video.addEventListener('timeupdate', resolve, { once: true }));
  return playingMs - startedMs;
}`;
