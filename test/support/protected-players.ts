// Encrypted streams in headless Chromium: a page with hls.js, Shaka and dash.js, given what the answer to play holds.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import type { PlayAnswer } from '../../shared/play-api.ts';

export type ProtectedPlayer = 'hls.js' | 'shaka-hls' | 'shaka-dash' | 'dash.js' | 'dash.js-by-manifest';

export type ProtectedReport = {
  /** Distinct pictures among samples taken from the start, and after a seek. */
  pictures: number;
  picturesAfterSeek: number;
  decodedAudioBytes: number;
  failures: string[];
  /** Requests for keys and licences, by the last part of their path. */
  keysAsked: string[];
};

const SCRIPTS: Record<string, string> = {
  '/hls.js': 'node_modules/hls.js/dist/hls.min.js',
  '/shaka.js': 'node_modules/shaka-player/dist/shaka-player.compiled.js',
  '/dash.js': 'node_modules/dashjs/dist/modern/umd/dash.all.min.js',
};
const PAGE = `<!doctype html><meta charset="utf-8"><video id="video" muted playsinline width="640" height="360"></video>
${Object.keys(SCRIPTS)
  .map((path) => `<script src="${path}"></script>`)
  .join('')}`;

export async function serveProtectedPlayers(): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const script = SCRIPTS[request.url ?? ''];
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? await readFile(script) : PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}/`, close };
}

export async function playProtected(
  browser: Browser,
  pageUrl: string,
  player: ProtectedPlayer,
  answer: PlayAnswer,
): Promise<ProtectedReport> {
  const page = await browser.newPage();
  const failures: string[] = [];
  const keysAsked: string[] = [];
  page.on('request', (request) => {
    const name = /\/(key\/\d+|license)$/.exec(new URL(request.url()).pathname)?.[1];
    if (name && request.method() !== 'OPTIONS') keysAsked.push(name);
  });
  page.on('response', (response) => {
    if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) {
      failures.push(`${response.status()} ${new URL(response.url()).pathname.split('/').at(-1)}`);
    }
  });
  page.on('pageerror', (error) => failures.push(error.message));
  try {
    await page.goto(pageUrl);
    await page.evaluate(`window.failures = []; (${START[player]})(${JSON.stringify(answer)})`);
    const pictures = (await step(page, UNTIL_PLAYING)) ? await picturesOf(page, 6) : 0;
    const picturesAfterSeek = (await step(page, SEEK)) ? await picturesOf(page, 4) : 0;
    const end = (await page.evaluate(END)) as { decodedAudioBytes: number; failures: string[] };
    failures.push(...end.failures);
    return { pictures, picturesAfterSeek, decodedAudioBytes: end.decodedAudioBytes, failures, keysAsked };
  } finally {
    await page.close();
  }
}

async function step(page: Page, script: string): Promise<boolean> {
  return (await page.evaluate(script)) as boolean;
}

/** Distinct pictures among `count` as they are on the screen: a canvas gets black ones of encrypted video. */
async function picturesOf(page: Page, count: number): Promise<number> {
  const seen = new Set<string>();
  for (let sample = 0; sample < count; sample++) {
    const picture = await page.locator('#video').screenshot();
    seen.add(createHash('sha256').update(picture).digest('hex'));
    if (!(await step(page, MOVES_ON))) break;
  }
  return seen.size;
}

// The functions below run in the page.
const SHAKA = `async (answer, url) => {
  const player = new shaka.Player();
  player.addEventListener('error', (event) => window.failures.push('shaka ' + event.detail.code));
  if (answer.drm) {
    player.configure({ drm: { servers: { [answer.drm.keySystem]: answer.drm.licenseUrl } } });
    player.getNetworkingEngine().registerRequestFilter((type, request) => {
      if (type === shaka.net.NetworkingEngine.RequestType.LICENSE) Object.assign(request.headers, answer.drm.headers);
    });
  }
  await player.attach(document.getElementById('video'));
  // Never settles where there is no key.
  player.load(url).then(() => document.getElementById('video').play()).catch((error) => window.failures.push('shaka ' + error.code));
}`;
const DASH = `async (answer, protection) => {
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({ debug: { logLevel: 0 } });
  player.on('error', (event) => window.failures.push('dash.js ' + (event.error && event.error.code)));
  player.initialize(document.getElementById('video'), null, true);
  if (protection) player.setProtectionData(protection);
  player.attachSource(answer.dash);
}`;
const START: Record<ProtectedPlayer, string> = {
  'hls.js': `async (answer) => {
    const hls = new Hls({ startLevel: 0 });
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) window.failures.push(data.type + ' ' + data.details); });
    hls.loadSource(answer.hls);
    hls.attachMedia(document.getElementById('video'));
    await document.getElementById('video').play().catch(() => {});
  }`,
  'shaka-hls': `(answer) => (${SHAKA})(answer, answer.hls)`,
  'shaka-dash': `(answer) => (${SHAKA})(answer, answer.dash)`,
  'dash.js': `(answer) => (${DASH})(answer, {
    [answer.drm.keySystem]: { serverURL: answer.drm.licenseUrl, httpRequestHeaders: answer.drm.headers },
  })`,
  'dash.js-by-manifest': `(answer) => (${DASH})(answer)`,
};

const WAIT = `const video = document.getElementById('video');
  const until = async (condition) => {
    const end = performance.now() + 20000;
    while (!condition()) {
      if (performance.now() > end) window.failures.push('gave up at ' + video.currentTime);
      if (window.failures.length > 0) return false;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    return true;
  };`;
const UNTIL_PLAYING = `(async () => { ${WAIT} return until(() => video.readyState >= 2 && video.currentTime > 0); })()`;
const MOVES_ON = `(async () => { ${WAIT}
  const from = video.currentTime;
  return until(() => video.currentTime >= from + 0.1 || video.ended);
})()`;
const SEEK = `(async () => { ${WAIT}
  if (window.failures.length > 0) return false;
  video.currentTime = video.duration * 0.5;
  return until(() => !video.seeking && video.readyState >= 2);
})()`;
const END = `({ failures: window.failures, decodedAudioBytes: document.getElementById('video').webkitAudioDecodedByteCount || 0 })`;
