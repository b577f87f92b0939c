// Sources that real cameras, editors and broadcasters make and that are easily got wrong, each from its file to a
// certified ladder that is laid beside the source again.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectLikeSource } from '../support/like-source.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { decodePictures, distance, turned } from '../support/pictures.ts';
import { runWholeJob } from '../support/whole-job.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeFolder('odd');
});

/** One rung: what is odd here happens before the first scaler. */
const LADDER = [{ shortSidePixels: 120, maxBitrateBps: 600_000 }];
const OPTIONS = { preset: 'ultrafast', segmentSeconds: 2, ladder: LADDER } as const;
/** Moves, and looks different from every side. */
const PICTURE = 'testsrc=s=160x120:r=30:d=5';
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];

async function make(name: string, args: string[], picture = PICTURE): Promise<string> {
  const path = join(folder, name);
  await ffmpeg(['-f', 'lavfi', '-i', picture, ...args, path]);
  return path;
}

/** Whole job, and its pictures and sound against those of the source. */
async function published(path: string) {
  const job = await runWholeJob(path, { options: OPTIONS });
  return { job, source: await expectLikeSource(path, job) };
}

/** Writes a transformation matrix (a, b, c, d) into the track header. */
async function withMatrix(path: string, name: string, matrix: number[]): Promise<string> {
  const bytes = await readFile(path);
  const at = bytes.indexOf('tkhd') + 4 + 40;
  [matrix[0]!, matrix[1]!, 0, matrix[2]!, matrix[3]!].forEach((value, index) => {
    bytes.writeInt32BE(value * 0x10000, at + 4 * index);
  });
  const result = join(folder, name);
  await writeFile(result, bytes);
  return result;
}

describe('turned and mirrored', () => {
  // The place in TURNS of what a viewer sees, of the picture as it is coded.
  test.each([
    { name: 'turned by 90 degrees', matrix: [0, 1, -1, 0], turn: 1, isPortrait: true },
    { name: 'turned by 270 degrees', matrix: [0, -1, 1, 0], turn: 3, isPortrait: true },
    { name: 'mirrored left to right', matrix: [-1, 0, 0, 1], turn: 4, isPortrait: false },
    { name: 'mirrored top to bottom', matrix: [1, 0, 0, -1], turn: 6, isPortrait: false },
    { name: 'mirrored about the other', matrix: [0, -1, -1, 0], turn: 7, isPortrait: true },
  ])('$name', async ({ name, matrix, turn, isPortrait }) => {
    const coded = await make('coded.mp4', ['-t', '1', ...X264]);
    const path = await withMatrix(coded, `${name}.mp4`, matrix);
    const { job } = await published(path);
    const { width, height } = job.presentation;
    expect([width, height]).toEqual(isPortrait ? [120, 160] : [160, 120]);
    const stored = join(folder, 'stored.mp4');
    await writeFile(stored, job.trackBytes('stream_120p'));
    const [shown] = (await decodePictures(stored)).pictures;
    const [before] = (await decodePictures(coded)).pictures;
    expect(distance(shown!.pixels, turned(before!.pixels, turn))).toBeLessThan(0.03);
  });

  test('and changing their size on the way', async () => {
    const parts = await Promise.all(
      ['160x120', '80x60'].map((size) =>
        make(`${size}.ts`, ['-t', '2.5', '-g', '15', ...X264], `testsrc=s=${size}:r=30:d=3`),
      ),
    );
    const list = join(folder, 'sizes.txt');
    await writeFile(list, parts.map((part) => `file '${part}'\n`).join(''));
    const joined = join(folder, 'sizes.mp4');
    await ffmpeg(['-f', 'concat', '-safe', '0', '-i', list, '-c', 'copy', joined]);
    const { job } = await published(await withMatrix(joined, 'sizes-turned.mp4', [0, 1, -1, 0]));
    expect(job.plan.chunks.length).toBeGreaterThan(1);
    expect(job.plan.totalFrames).toBe(150);
    expect([job.presentation.width, job.presentation.height]).toEqual([120, 160]);
  });
});

describe('in the forms of editors', () => {
  test.each<[string, string[]]>([
    ['444.mp4', ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv444p']],
    ['422-10.mkv', ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv422p10le']],
    [
      '10-bit.mp4',
      [
        '-c:v',
        'libx265',
        '-preset',
        'ultrafast',
        '-pix_fmt',
        'yuv420p10le',
        '-x265-params',
        'log-level=none',
      ],
    ],
    ['prores.mov', ['-c:v', 'prores_ks', '-profile:v', '3', '-pix_fmt', 'yuv422p10le']],
    ['prores4444.mov', ['-c:v', 'prores_ks', '-profile:v', '4', '-pix_fmt', 'yuva444p10le']],
    ['dnxhr.mov', ['-s', '256x144', '-c:v', 'dnxhd', '-profile:v', 'dnxhr_hqx', '-pix_fmt', 'yuv422p10le']],
    ['rgb.mkv', ['-c:v', 'libx264rgb', '-preset', 'ultrafast', '-pix_fmt', 'rgb24']],
    ['mjpeg.avi', ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj422p']],
  ])('%s', async (name, args) => {
    const { job } = await published(await make(name, ['-t', '2.5', ...args]));
    expect(job.plan.totalFrames).toBe(75);
  });
});

describe('with odd times', () => {
  const SOUND = [
    '-f',
    'lavfi',
    '-i',
    'aevalsrc=0.4*sin(2*PI*(100+60*t)*t):s=48000:d=5',
    '-c:a',
    'aac',
    '-ac',
    '1',
  ];

  test.each<[string, string[]]>([
    // Nothing between 1 s and 3.5 s; the picture before is held.
    ['a long gap.mp4', ['-vf', "select='not(between(t,1,3.5))'", '-fps_mode', 'vfr', '-g', '30', ...X264]],
    ['one key picture.mp4', [...SOUND, '-g', '9999', '-keyint_min', '9999', ...X264]],
    ['open GOPs.mkv', [...SOUND, ...X264, '-bf', '3', '-g', '24', '-x264-params', 'open-gop=1:b-adapt=0']],
    ['open GOPs.ts', [...SOUND, ...X264, '-bf', '3', '-g', '24', '-x264-params', 'open-gop=1:b-adapt=0']],
    [
      'times from -1.5 s.ts',
      [
        ...SOUND,
        ...X264,
        '-g',
        '30',
        '-output_ts_offset',
        '-1.5',
        '-avoid_negative_ts',
        'disabled',
        '-muxdelay',
        '0',
      ],
    ],
    ['a start at 100 s.ts', [...SOUND, ...X264, '-g', '30', '-output_ts_offset', '100']],
    ['sound two seconds late.mp4', ['-itsoffset', '2', ...SOUND, ...X264, '-g', '30']],
    ['pictures two seconds late.mkv', [...SOUND, ...X264, '-g', '30', '-vf', 'setpts=PTS+2/TB']],
  ])('%s', async (name, args) => {
    const { job, source } = await published(await make(name, args));
    const end = source.at(-1)!.seconds + 1 / 30;
    expect(Math.abs(job.presentation.durationSeconds - end)).toBeLessThan(0.05);
  });
});
