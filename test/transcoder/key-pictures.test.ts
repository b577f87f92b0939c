// I-frame playlists and the preview, out of the bytes that were stored.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { iframePlaylist } from '../../shared/hls-iframes.ts';
import { initName, PREVIEW } from '../../shared/object-keys.ts';
import { readIframePlaylist } from '../../transcoder/certificate/read-pictures.ts';
import { makePreview, previewSpots } from '../../transcoder/stages/preview.ts';
import { finishedTracks } from '../../transcoder/tracks.ts';
import { type FinishedJob, makeFinishedJob, OUTPUT_PREFIX, silent } from '../support/finished-job.ts';
import { makeFolder } from '../support/media.ts';
import { onFile, PREFIX } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
let made: FinishedJob;
let folder: string;

beforeAll(async () => {
  [made, folder] = await Promise.all([makeFinishedJob(), makeFolder('key-pictures')]);
});

/** md5 of every picture that ffmpeg decodes of a file. */
async function pictures(path: string, options: string[] = []): Promise<string[]> {
  const { stdout } = await run('ffmpeg', [
    ...[
      '-v',
      'error',
      ...options,
      '-i',
      path,
      '-map',
      '0:v:0',
      '-fps_mode',
      'passthrough',
      '-f',
      'framemd5',
      '-',
    ],
  ]);
  const lines = stdout.split('\n').filter((line) => line.startsWith('0,'));
  return lines.map((line) => line.split(',').at(-1)!.trim());
}

describe('an I-frame playlist', () => {
  test('names byte ranges that each decode to the key picture and to nothing else', async () => {
    const { r2 } = made;
    for (const track of finishedTracks(made.plan, made.facts).video) {
      const init = await r2.get(OUTPUT_PREFIX + initName(track.stem));
      const segments = track.segments.map(({ index }) => index);
      const whole = join(folder, `${track.stem}.mp4`);
      const stored = segments.map((index) => r2.get(`${OUTPUT_PREFIX}${track.stem}_00${index}.m4s`));
      await writeFile(whole, Buffer.concat([init, ...(await Promise.all(stored))]));
      const expected = await pictures(whole, ['-skip_frame', 'nokey']);

      const found: string[][] = [];
      for (const { uri, offsetBytes, sizeBytes } of readIframePlaylist(iframePlaylist(track)!).pictures) {
        const segment = await r2.get(OUTPUT_PREFIX + uri);
        const path = join(folder, 'one.mp4');
        await writeFile(path, Buffer.concat([init, segment.subarray(offsetBytes, offsetBytes + sizeBytes)]));
        // The moof announces the whole GOP; ffmpeg says so, and decodes what is there.
        found.push(await pictures(path, ['-v', 'quiet']));
      }
      expect(found).toEqual(expected.map((picture) => [picture]));
      expect(new Set(expected).size).toBe(3);
    }
  });
});

describe('a preview', () => {
  const plan = (totalFrames: number, rest: object = {}) => {
    const segmentCount = Math.ceil(totalFrames / 180);
    return { ...made.plan, totalFrames, gopFrames: 60, segmentFrames: 180, segmentCount, ...rest };
  };

  test('is taken from four spots of a film, each from a key picture on, or is all of a short one', () => {
    expect(previewSpots(plan(30 * 60)).map(({ firstFrame, endFrame }) => [firstFrame, endFrame])).toEqual([
      [180, 207],
      [660, 687],
      [1080, 1107],
      [1560, 1587],
    ]);
    expect(previewSpots(plan(100))).toEqual([{ firstFrame: 0, endFrame: 100 }]);
    // Between the two, spots that fall together are one.
    expect(previewSpots(plan(120)).map(({ firstFrame }) => firstFrame)).toEqual([0, 60]);
    // A spot ends with its segment.
    const single = previewSpots(plan(1800, { gopFrames: 20, segmentFrames: 20, segmentCount: 90 }));
    for (const { firstFrame, endFrame } of single) expect(endFrame - firstFrame).toBe(20);
  });

  test('is an animated WebP of the right size, about eight pictures a second, without the source', async () => {
    const webp = Buffer.from(await made.r2.get(OUTPUT_PREFIX + PREVIEW));
    const { width, height, durationsMs } = readWebp(webp);
    expect([width, height]).toEqual([320, 180]);
    const spots = previewSpots(made.plan);
    const frames = spots.reduce((sum, { firstFrame, endFrame }) => sum + endFrame - firstFrame, 0);
    expect(durationsMs.length).toBeGreaterThan(4);
    const totalMs = durationsMs.reduce((sum, one) => sum + one, 0);
    expect(Math.abs(totalMs - (frames * 1000) / 30)).toBeLessThanOrEqual(200);
  });

  test('is absent, and nothing fails, where the segments cannot be decoded', async () => {
    const copy = () =>
      memoryR2(
        Object.fromEntries(
          [...made.r2.objects].map(([key, bytes]) => [key.replace(OUTPUT_PREFIX, PREFIX), bytes.slice()]),
        ),
      );
    const attempt = (r2: ReturnType<typeof memoryR2>) => {
      r2.objects.delete(PREFIX + PREVIEW);
      return onFile(
        join(folder, 'one.mp4'),
        ({ context }) => makePreview({ ...context, log: silent() }, made.plan),
        { r2 },
      );
    };
    const broken = copy();
    for (const [key, bytes] of broken.objects) if (key.endsWith('_init.mp4')) bytes.fill(0);
    expect(await attempt(broken)).toBeUndefined();
    expect(await attempt(copy())).toMatchObject({ name: PREVIEW });
  });
});

/** Canvas and picture durations (RIFF chunks VP8X and ANMF of the WebP container). */
function readWebp(webp: Buffer): { width: number; height: number; durationsMs: number[] } {
  expect(webp.toString('latin1', 8, 16)).toBe('WEBPVP8X');
  const durationsMs: number[] = [];
  for (let at = 12; at + 8 <= webp.length; ) {
    const sizeBytes = webp.readUInt32LE(at + 4);
    if (webp.toString('latin1', at, at + 4) === 'ANMF') durationsMs.push(webp.readUIntLE(at + 20, 3));
    at += 8 + sizeBytes + (sizeBytes % 2);
  }
  return { width: webp.readUIntLE(24, 3) + 1, height: webp.readUIntLE(27, 3) + 1, durationsMs };
}
