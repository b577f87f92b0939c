// Protected videos as viewers meet them: from an upload to pictures in players that fetch keys and licences.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type Api, apiAt, type Json, jobEnd, uploadFile } from '../support/api.ts';
import { CHROMIUM, launchBrowser } from '../support/browser.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { type ProtectedPlayer, playProtected, serveProtectedPlayers } from '../support/protected-players.ts';
import { startStack } from '../support/stack.ts';

const run = promisify(execFile);
const FRAMES = 6 * 30;
const CHOICES = {
  ...{ preset: 'ultrafast', segmentSeconds: 2 },
  ladder: [{ shortSidePixels: 360, maxBitrateBps: 800_000 }],
};

let stack: Awaited<ReturnType<typeof startStack>>;
let browser: Browser | undefined;
let players: Awaited<ReturnType<typeof serveProtectedPlayers>>;
let api: Api;
const videos: Record<string, string> = {};

beforeAll(async () => {
  const folder = await makeFolder('protected');
  const clip = await makeClip(join(folder, 'clip.mp4'), { seconds: 6, size: '640x360' });
  [stack, players] = await Promise.all([startStack({ transcoders: 1 }), serveProtectedPlayers()]);
  if (existsSync(CHROMIUM)) browser = await launchBrowser();
  api = apiAt(stack.url, await stack.token('uploader'));
  for (const choice of [{ protection: 'aes-128', keyRotationSegments: 2 }, { protection: 'cenc' }]) {
    const { videoId, jobId } = await uploadFile(api, clip, 'single', { ...CHOICES, ...choice });
    const job = await jobEnd(api, jobId);
    expect(job).toMatchObject({ state: 'succeeded' });
    videos[choice.protection] = videoId;
  }
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await players?.close();
  await stack?.stop();
});

async function playOf(protection: string, body: Json = {}): Promise<PlayAnswer> {
  const path = `/v1/videos/${videos[protection]}/play`;
  return (await api.call(path, { method: 'POST', json: body })) as PlayAnswer;
}

describe('a protected video', () => {
  it('is read over HTTP by ffmpeg through its keys, to every frame', async () => {
    const { hls } = await playOf('aes-128');
    const args = ['-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames'];
    const { stdout } = await run('ffprobe', ['-v', 'error', ...args, '-of', 'csv=p=0', hls!]);
    expect(Number.parseInt(stdout, 10)).toBe(FRAMES);
  });

  it('has nothing in storage that plays without its key', async () => {
    const answer = await playOf('aes-128');
    const init = new Uint8Array(
      await (await fetch(answer.hls!.replace('master.m3u8', 'stream_360p_init.mp4'))).arrayBuffer(),
    );
    const segment = new Uint8Array(
      await (await fetch(answer.hls!.replace('master.m3u8', 'stream_360p_000.m4s'))).arrayBuffer(),
    );
    expect(new TextDecoder('latin1').decode(init)).toContain('avc1');
    expect(new TextDecoder('latin1').decode(segment)).not.toContain('moof');
    const cenc = await playOf('cenc');
    const encrypted = await (
      await fetch(cenc.dash!.replace('manifest.mpd', 'stream_360p_init.mp4'))
    ).arrayBuffer();
    expect(new TextDecoder('latin1').decode(encrypted)).toContain('encv');
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
      const bytes = await readFile(join(file.parentPath, file.name));
      searched++;
      hasKeyId ||= bytes.includes(kid);
      for (const spelling of spellings) expect(bytes.includes(spelling), file.name).toBe(false);
    }
    expect(keys.map(({ length }) => length)).toEqual([16, 16]);
    expect(searched).toBeGreaterThan(20);
    expect(hasKeyId).toBe(true); // what is not secret is found, so the search would find the rest
  });

  const cases: { player: ProtectedPlayer; protection: string; asked: string[] }[] = [
    { player: 'hls.js', protection: 'aes-128', asked: ['key/0', 'key/1'] },
    { player: 'shaka-hls', protection: 'aes-128', asked: ['key/0', 'key/1'] },
    { player: 'shaka-dash', protection: 'cenc', asked: ['license'] },
    { player: 'dash.js', protection: 'cenc', asked: ['license'] },
    { player: 'dash.js-by-manifest', protection: 'cenc', asked: ['license'] },
  ];
  it.skipIf(!existsSync(CHROMIUM)).each(cases)('under $protection plays in $player', async (each) => {
    // Without headers of the page's own a licence cannot be bound to a device.
    const device = each.player === 'dash.js-by-manifest' ? {} : { deviceId: 'browser-1' };
    const answer = await playOf(each.protection, device);
    const report = await playProtected(browser!, players.url, each.player, answer);
    expect(report.failures).toEqual([]);
    expect(report.pictures).toBeGreaterThanOrEqual(5);
    expect(report.picturesAfterSeek).toBeGreaterThanOrEqual(3);
    expect(report.decodedAudioBytes).toBeGreaterThan(0);
    expect([...new Set(report.keysAsked)].sort()).toEqual(each.asked);
  });

  it.skipIf(!existsSync(CHROMIUM))('shows nothing to a device it was not begun on', async () => {
    const answer = await playOf('cenc', { deviceId: 'browser-1' });
    answer.drm!.headers = { 'X-Device-ID': 'browser-2' };
    const report = await playProtected(browser!, players.url, 'shaka-dash', answer);
    expect(report.failures).toContain('403 license');
    expect(report.pictures).toBe(0);
  });
});
