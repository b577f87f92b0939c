// One film, plain, protected and with rungs of other codecs, in the players that people use, by one path token each.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { QualityOfExperience } from '../../shared/analytics-api.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type Api, apiAt, type Json } from '../support/api.ts';
import { CHROMIUM, launchBrowser, servePlayers } from '../support/browser.ts';
import { type CmcdPlayer, sendBeacon, startupWithCmcd } from '../support/cmcd-play.ts';
import { playCase } from '../support/player-case.ts';
import type { Player } from '../support/player-controls.ts';
import { FILM_FRAMES, LANGUAGES, type Making, makeFilm, uploadFilms } from '../support/player-film.ts';
import { startStack } from '../support/stack.ts';
import { unlessGone } from '../support/unless-gone.ts';

const run = promisify(execFile);

let stack: Awaited<ReturnType<typeof startStack>>;
let browser: Browser | undefined;
let players: Awaited<ReturnType<typeof servePlayers>>;
let api: Api;
let films: Record<Making, string>;

beforeAll(async () => {
  const started = [startStack({ transcoders: 1 }), servePlayers(), makeFilm()] as const;
  const [runningStack, servedPlayers, film] = await Promise.all(started);
  [stack, players] = [runningStack, servedPlayers];
  api = apiAt(stack.url, await stack.token('uploader'));
  films = await uploadFilms(api, film);
  if (existsSync(CHROMIUM)) browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await players?.close();
  await stack?.stop();
});

async function playOf(making: Making, body: Json = {}): Promise<PlayAnswer> {
  const path = `/v1/videos/${films[making]}/play`;
  return (await api.call(path, { method: 'POST', json: body })) as PlayAnswer;
}

const KEYS = ['key/0', 'key/1', 'key/2'];
const CASES: { player: Player; making: Making; asked: string[] }[] = [
  { player: 'hls.js', making: 'none', asked: [] },
  { player: 'shaka-hls', making: 'none', asked: [] },
  { player: 'video.js', making: 'none', asked: [] },
  { player: 'shaka-dash', making: 'none', asked: [] },
  { player: 'dash.js', making: 'none', asked: [] },
  { player: 'hls.js', making: 'other-codecs', asked: [] },
  { player: 'shaka-hls', making: 'other-codecs', asked: [] },
  { player: 'video.js', making: 'other-codecs', asked: [] },
  { player: 'shaka-dash', making: 'other-codecs', asked: [] },
  { player: 'dash.js', making: 'other-codecs', asked: [] },
  { player: 'hls.js', making: 'aes-128', asked: KEYS },
  { player: 'shaka-hls', making: 'aes-128', asked: KEYS },
  { player: 'video.js', making: 'aes-128', asked: KEYS },
  { player: 'shaka-dash', making: 'cenc', asked: ['license'] },
  { player: 'dash.js', making: 'cenc', asked: ['license'] },
  { player: 'dash.js-by-manifest', making: 'cenc', asked: ['license'] },
];

// Once more where a starved machine has met a race of a player's own, such as hls.js's switch while a key is on its way.
describe.skipIf(!existsSync(CHROMIUM))('a film in two languages', { retry: 1 }, () => {
  it.concurrent.each(CASES)('made $making plays in $player', async (one) => {
    // Without headers of the page's own a licence cannot be bound to a device.
    const device = one.player === 'dash.js-by-manifest' ? {} : { deviceId: 'browser-1' };
    const answer = await playOf(one.making, device);
    const report = await playCase(browser!, players.url, one.player, answer);
    expect(report.failures).toEqual([]);
    expect(report.answers).toBeGreaterThan(10);
    expect(report.pictures).toBe(3);
    expect(report.picturesAfterSeek).toBe(2);
    expect(Math.min(report.framesAfterSeek, report.framesLow, report.framesHigh)).toBeGreaterThanOrEqual(8);
    expect(report.cue).toBe(LANGUAGES.de.cue);
    expect(Math.abs(report.toneHz - LANGUAGES.en.toneHz)).toBeLessThan(20);
    expect(Math.abs(report.otherToneHz - LANGUAGES.de.toneHz)).toBeLessThan(20);
    expect([...new Set(report.keysAsked)].sort()).toEqual(one.asked);
  });

  it.concurrent('under cenc shows nothing to a device it was not begun on', async () => {
    const answer = await playOf('cenc', { deviceId: 'browser-1' });
    answer.drm!.headers = { 'X-Device-ID': 'browser-2' };
    const report = await playCase(browser!, players.url, 'shaka-dash', answer);
    expect(report.failures).toContain('403 license');
    expect(report.pictures).toBe(0);
  });
});

const CMCD_CASES: { player: CmcdPlayer; making: Making }[] = [
  { player: 'hls.js', making: 'none' },
  { player: 'shaka', making: 'aes-128' },
];

describe.skipIf(!existsSync(CHROMIUM))('quality of experience', { retry: 1 }, () => {
  it.concurrent.each(CMCD_CASES)(
    'of $player is what the player says of itself',
    async ({ player, making }) => {
      const [before, answer] = await Promise.all([qoeOf(making), playOf(making)]);
      const startupMs = await startupWithCmcd(browser!, players.url, player, answer.hls!);
      const estimated = await vi.waitUntil(
        async () => {
          const qoe = await qoeOf(making);
          return (qoe.startup?.sessions ?? 0) > (before.startup?.sessions ?? 0) && qoe;
        },
        { timeout: 60_000, interval: 500 },
      );
      expect(estimated.sessions).toBe(before.sessions + 1);
      // Of a retry there is more than one session, and the median is of them all.
      if (before.sessions > 0) return;
      // What the machine takes between a request and its answer is the player's alone to know, and all there is to wait.
      expect(Math.abs(estimated.startup!.p95Ms - startupMs)).toBeLessThan(Math.max(1000, startupMs / 2));
      expect(estimated.averageBitrateKbps).toBeGreaterThan(50);

      const token = new URL(answer.hls!).pathname.split('/')[2]!;
      const started = { seq: 0, type: 'started', positionSeconds: 0, atMs: Date.now(), startupMs: 7000 };
      const body = { sessionId: answer.sessionId, token, events: [started] };
      expect(await sendBeacon(browser!, players.url, `${stack.url}/v1/watch`, body)).toBe(true);
      const told = async () => (await qoeOf(making)).startup!.p95Ms;
      await vi.waitUntil(async () => Math.abs((await told()) - 7000) < 900, {
        timeout: 60_000,
        interval: 500,
      });
      expect((await qoeOf(making)).startup!.sessions).toBe(1);
    },
  );
});

async function qoeOf(making: Making): Promise<QualityOfExperience> {
  const { qoe } = await api.call(`/v1/videos/${films[making]}/analytics`);
  return qoe as QualityOfExperience;
}

describe('a protected film', () => {
  it('is read over HTTP by ffmpeg through its keys, to every frame', async () => {
    const { hls } = await playOf('aes-128');
    const args = ['-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames'];
    const { stdout } = await run('ffprobe', ['-v', 'error', ...args, '-of', 'csv=p=0', hls!]);
    expect(Number.parseInt(stdout, 10)).toBe(FILM_FRAMES);
  });

  it('has nothing in storage that plays without its key', async () => {
    const answer = await playOf('aes-128');
    const textOf = async (url: string) =>
      new TextDecoder('latin1').decode(await (await fetch(url)).arrayBuffer());
    expect(await textOf(answer.hls!.replace('master.m3u8', 'stream_360p_init.mp4'))).toContain('avc1');
    expect(await textOf(answer.hls!.replace('master.m3u8', 'stream_360p_000.m4s'))).not.toContain('moof');
    const cenc = await playOf('cenc');
    expect(await textOf(cenc.dash!.replace('manifest.mpd', 'stream_360p_init.mp4'))).toContain('encv');
  });

  it('has its keys in no log, queue, database or object', async () => {
    const { hls } = await playOf('aes-128');
    const plain = Buffer.from(await (await fetch(hls!.replace('master.m3u8', 'key/0'))).arrayBuffer());
    const { dash, drm } = await playOf('cenc');
    const kid = /default_KID="([^"]+)"/.exec(await (await fetch(dash!)).text())![1]!.replaceAll('-', '');
    const body = JSON.stringify({ kids: [Buffer.from(kid, 'hex').toString('base64url')] });
    const license = (await (await fetch(drm!.licenseUrl, { method: 'POST', body })).json()) as Json;
    const keys = [plain, Buffer.from(license.keys[0].k, 'base64url')];
    const spellings = keys.flatMap((key) => [
      key,
      ...(['hex', 'base64', 'base64url'] as const).map((encoding) => Buffer.from(key.toString(encoding))),
    ]);
    const files = await readdir(stack.home, { recursive: true, withFileTypes: true });
    let searched = 0;
    let hasKeyId = false;
    for (const file of files.filter((entry) => entry.isFile())) {
      // A file of a moment, such as a journal of SQLite's, may be gone since it was listed.
      const bytes = await readFile(join(file.parentPath, file.name)).catch(unlessGone);
      if (!bytes) continue;
      searched++;
      hasKeyId ||= bytes.includes(kid);
      for (const spelling of spellings) expect(bytes.includes(spelling), file.name).toBe(false);
    }
    expect(keys.map(({ length }) => length)).toEqual([16, 16]);
    expect(searched).toBeGreaterThan(20);
    expect(hasKeyId).toBe(true); // what is not secret is found, so the search would find the rest
  });
});
