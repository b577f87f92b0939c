import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { POSTER } from '../../shared/object-keys.ts';
import { makePoster } from '../../transcoder/stages/images.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { onFile, PREFIX, planFile } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('images');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

/** The poster of a file: its size and mean luma (0 to 255). */
async function posterOf(path: string): Promise<{ width: number; height: number; luma: number }> {
  const plan = await planFile(path);
  const r2 = memoryR2();
  expect(await onFile(path, ({ context }) => makePoster(context, plan), { r2 })).toBeDefined();
  const jpeg = join(folder, 'poster.jpg');
  await writeFile(jpeg, await r2.get(PREFIX + POSTER));
  const entries = ['-show_entries', 'stream=width,height', '-of', 'csv=p=0'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...entries, jpeg]);
  const [width = 0, height = 0] = stdout.trim().split(',').map(Number);
  const gray = ['-vf', 'scale=1:1:flags=area,format=gray', '-f', 'rawvideo', '-'];
  const pixel = await run('ffmpeg', ['-v', 'error', '-i', jpeg, ...gray], { encoding: 'buffer' });
  return { width, height, luma: pixel.stdout[0]! };
}

describe('a poster', () => {
  test('shows a picture as it is displayed: turned', async () => {
    const flat = await make('flat.mov', ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=1', ...X264]);
    const path = await make('turned.mov', ['-i', flat, '-c', 'copy', '-metadata:s:v', 'rotate=90']);
    expect(await posterOf(path)).toMatchObject({ width: 180, height: 320 });
  });

  test('shows a picture as it is displayed: in square pixels', async () => {
    const path = await make('sar.mp4', [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=160x180:r=30:d=1,setsar=2',
      ...X264,
    ]);
    expect(await posterOf(path)).toMatchObject({ width: 320, height: 180 });
  });

  test('is at most 1280 pixels wide', async () => {
    const path = await make('wide.mp4', ['-f', 'lavfi', '-i', 'testsrc2=s=2560x640:r=10:d=0.3', ...X264]);
    expect(await posterOf(path)).toMatchObject({ width: 1280, height: 320 });
  });

  test('can be had of a tenth of a second', async () => {
    const path = await make('short.mp4', ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=0.1', ...X264]);
    expect((await posterOf(path)).luma).toBeGreaterThan(40);
  });

  test.each(['mp4', 'ts'])('passes over a black first second in %s', async (extension) => {
    const graph = 'color=black:s=160x90:r=30:d=1.2[b];testsrc2=s=160x90:r=30:d=1[t];[b][t]concat';
    const path = await make(`black-start.${extension}`, ['-filter_complex', graph, ...X264, '-g', '300']);
    expect((await posterOf(path)).luma).toBeGreaterThan(40);
  });

  test('of a film that is black all along is black', async () => {
    const path = await make('black.mp4', ['-f', 'lavfi', '-i', 'color=black:s=160x90:r=30:d=1', ...X264]);
    expect((await posterOf(path)).luma).toBeLessThan(20);
  });

  test('is absent, and nothing fails, where no picture can be decoded', async () => {
    const whole = await make('whole.mp4', ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=1', ...X264]);
    const plan = await planFile(whole);
    const headerOnly = await make('header.mp4', ['-i', whole, '-c', 'copy', '-movflags', '+faststart']);
    await truncate(headerOnly, 1500);
    const r2 = memoryR2();
    expect(await onFile(headerOnly, ({ context }) => makePoster(context, plan), { r2 })).toBeUndefined();
    expect(r2.objects.size).toBe(0);
    // Where the storage is at fault the video can wait for its poster.
    const failure = new AppError('storage_unavailable');
    const duringOutage = onFile(headerOnly, ({ context }) => {
      return makePoster({ ...context, source: { ...context.source, failure } }, plan);
    });
    await expect(duringOutage).rejects.toBe(failure);
    expect(await onFile(whole, ({ context }) => makePoster(context, plan), { r2 })).toBeDefined();
    expect([...r2.objects.keys()]).toEqual([PREFIX + POSTER]);
  });
});
