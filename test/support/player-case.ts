// One viewer in headless Chromium: plays an answer to play by one of the players, goes to another place, to the low
// and to the high quality, turns subtitles on and takes the other language.
import { createHash } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type Player, SCRIPT_OF, START } from './player-controls.ts';
import { HIGH_HEIGHT, LANGUAGES, type Language, LOW_HEIGHT } from './player-film.ts';

/** Where the viewer goes, seconds into the film. */
const SEEK_SECONDS = 4;

export type PlayerReport = {
  /** What went wrong: errors of the player, of the page, answers of 400 and above, and steps that never happened. */
  failures: string[];
  /** Distinct pictures on the screen, before and after the seek. */
  pictures: number;
  picturesAfterSeek: number;
  /** Pictures presented from where the viewer went to on. */
  framesAfterSeek: number;
  /** Pictures presented of the height asked for, after it was asked for. */
  framesLow: number;
  framesHigh: number;
  cue: string;
  /** Pitch of what is heard, before and after the other language was taken. */
  toneHz: number;
  otherToneHz: number;
  /** Requests for keys and licences, by the last part of their path. */
  keysAsked: string[];
  /** Media answers of any kind. */
  answers: number;
};

export async function playCase(
  browser: Browser,
  pageUrl: string,
  player: Player,
  answer: PlayAnswer,
  language: Language = 'de',
): Promise<PlayerReport> {
  // A context is a window: a page behind another one in the same window presents no pictures.
  const context = await browser.newContext({ viewport: { width: 660, height: 400 } });
  const page = await context.newPage();
  const failures: string[] = [];
  const report: PlayerReport = {
    ...{ failures, pictures: 0, picturesAfterSeek: 0, framesAfterSeek: 0, framesLow: 0, framesHigh: 0 },
    ...{ cue: '', toneHz: 0, otherToneHz: 0, keysAsked: [], answers: 0 },
  };
  watchTraffic(page, report);
  try {
    await page.goto(pageUrl);
    await page.addScriptTag({ url: SCRIPT_OF[player] });
    await page.evaluate(WATCH);
    await page.evaluate(
      `(${START[player]})(${JSON.stringify(answer)}).then((controls) => { window.controls = controls; })`,
    );
    await view(page, report, language);
  } catch (error) {
    // Failures of the player say more than the step that waited for it.
    failures.push(
      ...((await page.evaluate('window.failures')) as string[]),
      (error as Error).message.split('\n')[0]!,
    );
  } finally {
    await context.close();
  }
  return report;
}

function watchTraffic(page: Page, report: PlayerReport): void {
  page.on('request', (request) => {
    const name = /\/(key\/\d+|license)$/.exec(new URL(request.url()).pathname)?.[1];
    if (name && request.method() !== 'OPTIONS') report.keysAsked.push(name);
  });
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.startsWith('/p/')) report.answers += 1;
    if (response.status() >= 400 && pathname !== '/favicon.ico') {
      report.failures.push(`${response.status()} ${pathname.split('/').at(-1)}`);
    }
  });
  page.on('pageerror', (error) => report.failures.push(error.message));
}

async function view(page: Page, report: PlayerReport, language: Language): Promise<void> {
  await until(page, 'the first picture', 'video().readyState >= 2 && video().currentTime > 0');
  report.pictures = await picturesOf(page, 3);
  report.toneHz = await heardHz(page);

  await page.evaluate(`controls.showText('${language}')`);
  // The text wanted and no other: some begin with subtitles of their own choice.
  const isShown = `(window.shown = cues()) === '${LANGUAGES[language].cue}'`;
  await until(page, 'the subtitles', isShown);
  await page.evaluate(`video().currentTime = ${SEEK_SECONDS}`);
  report.framesAfterSeek = await frames(page, `frame.mediaTime >= ${SEEK_SECONDS - 0.1}`);
  report.picturesAfterSeek = await picturesOf(page, 2);
  await until(page, 'the subtitles after the seek', isShown);
  report.cue = (await page.evaluate('shown')) as string;

  const qualities = [
    [LOW_HEIGHT, 'framesLow'],
    [HIGH_HEIGHT, 'framesHigh'],
  ] as const;
  for (const [height, name] of qualities) {
    await stay(page);
    await page.evaluate(`controls.setHeight(${height})`);
    report[name] = await frames(page, `frame.height === ${height}`);
  }

  await stay(page);
  await page.evaluate(`controls.setSound('${language}')`);
  report.otherToneHz = await heardHz(page, report.toneHz);
  report.failures.push(...((await page.evaluate('window.failures')) as string[]));
}

/** Goes back before the film ends: a slow machine takes long for a step. */
async function stay(page: Page): Promise<void> {
  const isLate = `video().currentTime > ${SEEK_SECONDS + 3}`;
  if (!(await page.evaluate(isLate))) return;
  await page.evaluate(`video().currentTime = ${SEEK_SECONDS}; video().play().catch(() => {})`);
  await until(page, 'the way back', '!video().seeking && video().readyState >= 2');
}

/** Counts pictures presented from now on for which `condition` holds; waits for some. */
async function frames(page: Page, condition: string): Promise<number> {
  const count = `presentedWhere((frame) => ${condition})`;
  await page.evaluate('window.presented = []');
  await until(page, `pictures with ${condition}`, `${count} >= 8`);
  return (await page.evaluate(count)) as number;
}

/** Distinct pictures among `count` as they are on the screen: a canvas gets black ones of encrypted video. */
async function picturesOf(page: Page, count: number): Promise<number> {
  const seen = new Set<string>();
  for (let sample = 0; sample < count; sample++) {
    const picture = await page.screenshot();
    seen.add(createHash('sha256').update(picture).digest('hex'));
    await page.evaluate('window.presented = []');
    await until(page, 'the picture to change', 'presented.length >= 3');
  }
  return seen.size;
}

/** The pitch that is heard, once it is a clear one and another than `beforeHz`. */
async function heardHz(page: Page, beforeHz = 0): Promise<number> {
  const isClear = `(window.heard = heardHz()) > 0 && Math.abs(heard - ${beforeHz}) > 100`;
  await until(page, `a tone other than of ${beforeHz} Hz`, isClear);
  return (await page.evaluate('heard')) as number;
}

async function until(page: Page, what: string, condition: string): Promise<void> {
  const isMet = await page.evaluate(`until(() => ${condition})`);
  if (isMet) return;
  const at = await page.evaluate('video().currentTime + " s, ready " + video().readyState');
  throw new Error(`${what} never came: at ${at}`);
}

const WATCH = `
window.failures = [];
window.presented = [];
window.video = () => document.querySelector('video');
window.presentedWhere = (condition) => presented.filter(condition).length;
window.until = async (condition, ms = 60000) => {
  const end = performance.now() + ms;
  for (;;) {
    if (failures.length > 0) return false;
    if (condition()) return true;
    if (performance.now() > end) return false;
    // The film is short and a machine may be slow: what was asked for is then seen the second time.
    if (video().ended) {
      video().currentTime = ${SEEK_SECONDS};
      video().play().catch(() => {});
    }
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
};
window.textTracks = () => [...video().textTracks];
window.cues = () => textTracks()
  .filter((track) => track.mode === 'showing' && track.kind === 'subtitles')
  .flatMap((track) => [...Array.from(track.activeCues ?? [])].map((cue) => cue.text)).join('');
(() => {
  const note = (_, { mediaTime, height }) => { presented.push({ mediaTime, height }); video().requestVideoFrameCallback(note); };
  video().requestVideoFrameCallback(note);
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
  // The attribute too: video.js goes by it.
  video().removeAttribute('muted');
  video().muted = false;
  context.createMediaElementSource(video()).connect(analyser).connect(context.destination);
  const loudness = new Float32Array(analyser.frequencyBinCount);
  window.heardHz = () => {
    analyser.getFloatFrequencyData(loudness);
    const peak = loudness.indexOf(Math.max(...loudness));
    return loudness[peak] > -60 ? peak * context.sampleRate / analyser.fftSize : 0;
  };
})();
`;
