// Headless Chromium and a page on loopback that holds hls.js and Shaka and can fetch other players, for playing what
// the stack serves.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';

export const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

const SCRIPTS: Record<string, string> = {
  '/hls.js': 'node_modules/hls.js/dist/hls.min.js',
  '/shaka.js': 'node_modules/shaka-player/dist/shaka-player.compiled.js',
  '/dash.js': 'node_modules/dashjs/dist/modern/umd/dash.all.min.js',
  '/video.js': 'node_modules/video.js/dist/video.min.js',
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>player</title>
<video id="video" muted playsinline width="640" height="360"></video>
<script src="/hls.js"></script><script src="/shaka.js"></script>`;

/** Serves the page and the players; `close` ends it. */
export async function servePlayers(): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer(async (request, response) => {
    const script = SCRIPTS[request.url ?? ''];
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? await readFile(script) : PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

export type PlayReport = {
  /** Distinct pictures among samples taken while playing. */
  pictures: number;
  decodedAudioBytes: number;
  secondsPlayed: number;
  soughtToSeconds: number;
  /** Distinct pictures among samples taken after the seek. */
  picturesAfterSeek: number;
  heightsSeen: number[];
  durationSeconds: number;
  failures: string[];
};

/**
 * Plays `url` in a fresh page with one of the players: lowest quality, some seconds, a seek to the middle, then a
 * forced switch to the highest. The picture itself is sampled, since Chromium's clock runs on over missing video.
 */
export async function play(
  browser: Browser,
  pageUrl: string,
  player: 'hls.js' | 'shaka',
  url: string,
): Promise<PlayReport> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on('response', (response) => {
    if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) {
      failures.push(`${response.status()} ${new URL(response.url()).pathname.split('/').at(-1)}`);
    }
  });
  page.on('pageerror', (error) => failures.push(error.message));
  try {
    await page.goto(pageUrl);
    await page.evaluate(`${START[player]}(${JSON.stringify(url)})`);
    const report = (await page.evaluate(WATCH)) as PlayReport;
    return { ...report, failures: [...failures, ...report.failures] };
  } finally {
    await page.close();
  }
}

export async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  // Long enough that a busy machine decides nothing.
  page.setDefaultTimeout(90_000);
  return page;
}

/** Waits until the page's only video shows pictures: strict pages forbid the evaluation of strings. */
export async function untilPlaying(page: Page, timeoutMs = 60_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  const isPlaying = () => {
    const video = document.querySelector('video');
    return video !== null && video.readyState >= 2 && video.currentTime > 0;
  };
  while (!(await page.evaluate(isPlaying))) {
    if (Date.now() > end) throw new Error('the page shows no picture');
    await page.waitForTimeout(100);
  }
}

// The functions below run in the page: strings, so that no bundler or type of this side touches them.
const START = {
  'hls.js': `(async (url) => {
    const video = document.getElementById('video');
    const hls = new Hls({ startLevel: 0, maxBufferLength: 8 });
    window.failures = [];
    hls.on(Hls.Events.ERROR, (_event, data) => { if (data.fatal) window.failures.push(data.type + ' ' + data.details); });
    const ready = new Promise((resolve) => hls.on(Hls.Events.MANIFEST_PARSED, resolve));
    hls.loadSource(url);
    hls.attachMedia(video);
    await ready;
    hls.currentLevel = 0;
    window.setTop = () => { hls.currentLevel = hls.levels.length - 1; };
    await video.play();
  })`,
  shaka: `(async (url) => {
    const video = document.getElementById('video');
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    window.failures = [];
    player.addEventListener('error', (event) => window.failures.push('shaka ' + event.detail.code));
    // Where picture and sound (stereo to 5.1) change at once, Shaka 5.2 takes up an init segment whose prefetch it has
    // itself aborted, in a loop without a request or an append: (video:3) fetchAndAppend_, fetching init segment,
    // reused prefetched init segment. Either change alone plays, and both without prefetching.
    player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 8, segmentPrefetchLimit: 0 } });
    await player.attach(video);
    await player.load(url);
    const tracks = () => player.getVariantTracks().sort((a, b) => a.bandwidth - b.bandwidth);
    player.selectVariantTrack(tracks()[0], true);
    window.setTop = () => player.selectVariantTrack(tracks().at(-1), true);
    await video.play();
  })`,
} as const;

const WATCH = `(async () => {
  const video = document.getElementById('video');
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 36;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const until = async (what, condition, ms = 60000) => {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) { window.failures.push('timed out: ' + what + ' at ' + video.currentTime + ' ready ' + video.readyState); return false; }
      await sleep(50);
    }
    return true;
  };
  const heights = new Set();
  const sample = () => {
    context.drawImage(video, 0, 0, 64, 36);
    if (video.videoHeight) heights.add(video.videoHeight);
    return context.getImageData(0, 0, 64, 36).data.join();
  };
  const pictures = async (count) => {
    const seen = new Set();
    for (let i = 0; i < count; i += 1) {
      const from = video.currentTime;
      await until('the clock to move', () => video.currentTime >= from + 0.15 || video.ended);
      seen.add(sample());
    }
    return seen.size;
  };
  await until('first picture', () => video.readyState >= 2 && video.currentTime > 0);
  const before = await pictures(10);
  const played = video.currentTime;
  const target = video.duration / 2;
  video.currentTime = target;
  await until('the seek', () => !video.seeking && video.readyState >= 2);
  const sought = video.currentTime;
  const after = await pictures(4);
  const low = video.videoHeight;
  // Where there is only sound there is no quality to switch to.
  if (low > 0) {
    window.setTop();
    await until('the quality switch', () => {
      // Short clips come to their end on a slow machine, and show nothing new there.
      if (video.ended) { video.currentTime = target; video.play().catch(() => {}); }
      sample();
      return video.videoHeight !== low;
    });
  }
  return {
    pictures: before, secondsPlayed: played, soughtToSeconds: sought, picturesAfterSeek: after,
    heightsSeen: [...heights], durationSeconds: video.duration,
    decodedAudioBytes: video.webkitAudioDecodedByteCount || 0, failures: window.failures,
  };
})()`;
