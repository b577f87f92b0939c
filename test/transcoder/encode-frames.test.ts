// The proof behind chunking: whatever run of frames a command is asked for, it takes the pictures that one run
// over the whole file would take.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { chunkFrameRange, type Plan } from '../../shared/plan.ts';
import { chunkCommand } from '../../transcoder/ffmpeg/args.ts';
import { startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { ffmpeg, makeClip, makeFolder } from '../support/media.ts';
import { asOneChunk, LIMITS, planFile } from './encoding.ts';

let folder: string;

beforeAll(async () => {
  folder = await makeFolder('frames');
});

describe('frames chosen by chunks are the frames of one run', () => {
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '15', '-bf', '2'];
  const sources: { name: string; file: string; args: string[]; turn?: number }[] = [
    {
      name: 'constant 30',
      file: 'cfr.mp4',
      args: ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=4', ...x264],
    },
    {
      name: '29.97 in milliseconds',
      file: 'ntsc.mkv',
      args: ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30000/1001:d=4', ...x264],
    },
    {
      name: 'variable with a gap',
      file: 'vfr.mkv',
      args: [
        ...['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=5'],
        ...['-vf', "select='not(between(n,40,85))*not(eq(mod(n,7),3))'", '-fps_mode', 'passthrough', ...x264],
      ],
    },
    {
      name: 'starting at 7.279 s',
      file: 'offset.mkv',
      args: ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=4', ...x264, '-output_ts_offset', '7.279'],
    },
    {
      name: 'turned by 90 degrees',
      file: 'turned.mov',
      turn: 90,
      args: ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=4', ...x264],
    },
  ];

  test.each(sources)('$name', async ({ file, args, turn }) => {
    const path = join(folder, file);
    if (!turn) await ffmpeg([...args, path]);
    else {
      // ffmpeg 5.1 writes a rotation only into a copied track.
      await ffmpeg([...args, join(folder, 'flat.mov')]);
      await ffmpeg(['-i', join(folder, 'flat.mov'), '-c', 'copy', '-metadata:s:v', `rotate=${turn}`, path]);
    }
    const chunked = await planFile(path);
    expect(chunked.chunks.length).toBeGreaterThan(1);
    if (turn) expect(chunked.display).toEqual({ width: 90, height: 160 });

    const pieces: string[][] = [];
    for (const chunk of chunked.chunks) pieces.push(await frameHashes(path, chunked, chunk));
    const whole = await frameHashes(path, chunked, asOneChunk(chunked).chunks[0]!);
    expect(whole).toHaveLength(chunked.totalFrames);
    expect(pieces.flat()).toEqual(whole);
    // A picture that stood still throughout would pass the comparison above.
    expect(new Set(whole).size).toBeGreaterThan(40);
  });
});

test('a source that cannot seek gives the same frames when it is taken up in the middle', async () => {
  const path = join(folder, 'stream.ts');
  await makeClip(path, { seconds: 3, size: '160x90' });
  const sequential = await planFile(path);
  expect(sequential.source.isSeekable).toBe(false);
  const [chunk] = sequential.chunks;
  const whole = await frameHashes(path, sequential, chunk!);
  const rest = await frameHashes(path, sequential, {
    index: 0,
    firstSegment: 2,
    segmentCount: chunk!.segmentCount - 2,
  });
  expect(rest).toEqual(whole.slice(2 * sequential.segmentFrames));
});

test('a last picture that is said to last no time is shown', async () => {
  const path = join(folder, 'last.mp4');
  const late = "setpts='if(eq(N,19),1.92/TB,PTS)'";
  await ffmpeg([
    ...['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=10:d=2', '-vf', late, '-fps_mode', 'passthrough'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-bsf:v', 'setts=duration=1', path],
  ]);
  const of = await planFile(path);
  expect(of.totalFrames).toBe(20);
  const hashes = await frameHashes(path, of, asOneChunk(of).chunks[0]!);
  expect(new Set(hashes).size).toBe(20);
});

/** md5 of each picture that a chunk's command hands to the top rung's encoder. */
async function frameHashes(path: string, plan: Plan, chunk: Plan['chunks'][number]): Promise<string[]> {
  const run = chunkFrameRange(plan, chunk);
  const command = chunkCommand(plan, { url: path, threads: 1 }, run, ({ name }) => name);
  const top = command.outputs.length - 1;
  const hashes = join(folder, `frames-${chunk.firstSegment}-${chunk.segmentCount}.txt`);
  const outputs = command.outputs.map((_, index) => ({
    options: [
      ...[
        '-map',
        `[v${index}]`,
        '-fps_mode',
        'passthrough',
        '-frames:v',
        String(run.endFrame - run.firstFrame),
      ],
      ...['-f', index === top ? 'framemd5' : 'null'],
    ],
    path: index === top ? hashes : '-',
  }));
  await startFfmpeg({ ...command, outputs }, { directory: folder, limits: LIMITS }).done;
  const lines = (await readFile(hashes, 'utf8')).split('\n').filter((line) => /^\d/.test(line));
  return lines.map((line) => line.split(',').at(-1)!.trim());
}
