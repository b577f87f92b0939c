// Sources whose pictures are not all alike: what is stored is one even stream, and says what it is.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ffmpeg, ffprobe, makeFolder } from '../support/media.ts';
import { decode, encodeAll, planFile, writeTrack } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeFolder('changing');
});

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '15', '-pix_fmt', 'yuv420p'];
const tagged = (name: string) => ['-color_primaries', name, '-color_trc', name, '-colorspace', name];

/** Two parts of 1.5 s in one file, so that the change falls into the second chunk. */
async function spliced(name: string, first: string[], second: string[], size2 = '160x90'): Promise<string> {
  const parts = [first, second].map((args, index) => ({ args, path: join(folder, `${name}-${index}.ts`) }));
  for (const [index, { args, path }] of parts.entries()) {
    const size = index === 0 ? '160x90' : size2;
    await ffmpeg(['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=30:d=1.5`, ...X264, ...args, path]);
  }
  const list = join(folder, `${name}.txt`);
  await writeFile(list, parts.map(({ path }) => `file '${path}'\n`).join(''));
  const whole = join(folder, `${name}.mp4`);
  await ffmpeg(['-f', 'concat', '-safe', '0', '-i', list, '-c', 'copy', whole]);
  return whole;
}

async function encoded(path: string) {
  const plan = await planFile(path);
  const r2 = memoryR2();
  const facts = await encodeAll(path, plan, r2);
  const stem = 'stream_90p';
  const track = await writeTrack(r2, stem, plan.segmentCount, join(folder, `${stem}.mp4`));
  const fields = 'color_range,color_space,color_transfer,color_primaries';
  const tags = await ffprobe(['-show_entries', `stream=${fields}`, '-of', 'csv=p=0', track]);
  return { plan, facts, track, tags: tags.trim(), inits: facts.map(({ tracks }) => tracks[0]!.init.sha256) };
}

test('chunks agree on the tags of a source that changes its own', async () => {
  const path = await spliced('tags', tagged('bt709'), tagged('smpte170m'));
  const { plan, inits, tags } = await encoded(path);
  expect(plan.chunks.length).toBeGreaterThan(1);
  expect(new Set(inits).size).toBe(1);
  expect(tags).toBe('tv,bt709,bt709,bt709');
});

test('a source that changes its size becomes one stream without a missing frame', async () => {
  const path = await spliced('size', [], [], '80x60');
  const { plan, inits, track } = await encoded(path);
  expect(plan.totalFrames).toBe(90);
  expect(new Set(inits).size).toBe(1);
  expect(await decode(track)).toEqual({ frames: 90, complaints: '' });
});

/** Mean luma of the first picture, in the numbers that are stored. */
async function lumaOf(path: string): Promise<number> {
  const graph = ['-f', 'lavfi', `movie=${path},signalstats`, '-read_intervals', '%+#1'];
  const tag = ['-show_entries', 'frame_tags=lavfi.signalstats.YAVG', '-of', 'csv=p=0'];
  return Math.round(Number.parseFloat(await ffprobe([...graph, ...tag])));
}

// 8 bits have a pixel format of their own for full range, 10 bits only the tag.
test.each([
  { pixelFormat: 'yuvj420p', white: 255 },
  { pixelFormat: 'yuv420p10le', white: 1023 },
])('full range becomes limited range, in the pixels and in the tags: $pixelFormat', async (full) => {
  const path = join(folder, `${full.pixelFormat}.mp4`);
  const picture = `color=white:s=160x90:r=30:d=1,scale=out_range=pc,format=${full.pixelFormat}`;
  const x264 = ['-c:v', 'libx264', '-pix_fmt', full.pixelFormat, '-color_range', 'pc'];
  await ffmpeg(['-f', 'lavfi', '-i', picture, ...x264, path]);
  expect(Math.abs((await lumaOf(path)) - full.white)).toBeLessThanOrEqual(full.white / 255);
  const { track, tags } = await encoded(path);
  expect(await lumaOf(track)).toBe(235);
  expect(tags).toBe('tv,smpte170m,smpte170m,smpte170m');
});
