import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { initName, segmentName } from '../../shared/object-keys.ts';
import { chunkFrameRange, type Plan } from '../../shared/plan.ts';
import { chunkCommand } from '../../transcoder/ffmpeg/args.ts';
import { startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { ffmpeg, makeClip, makeFolder } from '../support/media.ts';
import {
  asOneChunk,
  decode,
  encodeAll,
  LIMITS,
  onFile,
  PREFIX,
  planFile,
  plannedKeyTicks,
  writeTrack,
} from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const TOP = 'stream_180p';
const STEMS = ['stream_90p', TOP];
let folder: string;
let clip: string;
let plan: Plan;

beforeAll(async () => {
  folder = await makeFolder('encode');
  clip = join(folder, 'clip.mp4');
  await ffmpeg([
    ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=4', '-c:v', 'libx264', '-preset', 'ultrafast'],
    ...['-g', '20', '-bf', '2', '-movflags', '+faststart', clip],
  ]);
  plan = await planFile(clip);
});

describe('a chunk', () => {
  test('meets its neighbours without a seam on every rung, and all share one init segment', async () => {
    expect(plan.chunks.length).toBeGreaterThan(1);
    const r2 = memoryR2();
    const chunks = await encodeAll(clip, plan, r2);
    for (const [rung, stem] of STEMS.entries()) {
      const tracks = chunks.map((facts) => facts.tracks[rung]!);
      expect(tracks.map((track) => track.stem)).toEqual(chunks.map(() => stem));
      expect(new Set(tracks.map((track) => track.init.sha256)).size).toBe(1);

      const segments = tracks.flatMap((track) => track.segments);
      expect(segments.map((segment) => segment.index)).toEqual([...Array(plan.segmentCount).keys()]);
      expect(segments.flatMap((segment) => segment.keyTicks)).toEqual(plannedKeyTicks(plan));
      let end = 0;
      for (const segment of segments) {
        expect(segment.startTicks).toBe(end);
        end += segment.durationTicks;
      }
      expect(end).toBe((plan.totalFrames * plan.timescale) / 30);

      const file = await writeTrack(r2, stem, plan.segmentCount, join(folder, `${stem}.mp4`));
      expect(await decode(file)).toEqual({ frames: plan.totalFrames, complaints: '' });
    }
  });

  test('stores a segment on every rung before it commits it, in order', async () => {
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    const storedAtCommit: number[] = [];
    const seen = await onFile(
      clip,
      async (task) => {
        const commit = task.context.commit;
        task.context.commit = async (mark) => {
          storedAtCommit.push(
            STEMS.filter((stem) => r2.objects.has(PREFIX + segmentName(stem, mark - 1))).length,
          );
          await commit(mark);
        };
        await encodeChunk(task.context, whole, whole.chunks[0]!);
        return task;
      },
      { r2 },
    );
    expect(seen.commits).toEqual([1, 2, 3, 4]);
    expect(storedAtCommit).toEqual([2, 2, 2, 2]);
    expect(seen.progress.at(-1)).toBe(plan.totalFrames);
  });

  test('numbers its fragments by GOP through the whole track, wherever it starts', async () => {
    const r2 = memoryR2();
    await encodeAll(clip, plan, r2);
    const numbers = await Promise.all(
      [0, 1, 2, 3].map(async (index) => {
        const bytes = Buffer.from(await r2.get(PREFIX + segmentName(TOP, index)));
        return bytes.readUInt32BE(bytes.indexOf('mfhd') + 8);
      }),
    );
    expect(numbers).toEqual([1, 2, 3, 4]);
  });
});

describe('a second attempt', () => {
  test('encodes only what is missing and takes the rest from what is stored', async () => {
    const whole = asOneChunk(plan);
    const first = memoryR2();
    const [before] = await encodeAll(clip, whole, first);
    const kept = [...first.objects].filter(([key]) => /init|_000|_001/.test(key));
    const r2 = memoryR2(Object.fromEntries(kept));

    const { facts, commits } = await onFile(
      clip,
      async ({ context, commits }) => ({
        facts: await encodeChunk(context, whole, whole.chunks[0]!),
        commits,
      }),
      { r2, mark: 2 },
    );
    expect(commits).toEqual([3, 4]);
    for (const [rung, track] of facts.tracks.entries()) {
      expect(track.init).toEqual(before!.tracks[rung]!.init);
      expect(track.segments.slice(0, 2)).toEqual(before!.tracks[rung]!.segments.slice(0, 2));
      expect(track.segments.map((segment) => segment.samples)).toEqual([30, 30, 30, 30]);
    }
    const file = await writeTrack(r2, TOP, 4, join(folder, 'resumed.mp4'));
    expect(await decode(file)).toEqual({ frames: 120, complaints: '' });
  });

  test('with everything committed reads the facts and starts no encoder', async () => {
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    const [before] = await encodeAll(clip, whole, r2);
    const facts = await onFile(
      join(folder, 'clip.mp4'),
      ({ context }) => {
        const noSource = { ...context, source: { ...context.source, url: 'http://127.0.0.1:1/gone' } };
        return encodeChunk(noSource, whole, whole.chunks[0]!);
      },
      { r2, mark: 4 },
    );
    expect(facts).toEqual(before);
  });

  test('that finds a segment already stored takes the facts of the stored bytes', async () => {
    const whole = asOneChunk(plan);
    const other = memoryR2();
    const harder = { ...whole, renditions: whole.renditions.map((rung) => ({ ...rung, crf: 35 })) };
    const [stored] = await encodeAll(clip, harder, other);
    const key = PREFIX + segmentName(TOP, 1);
    const r2 = memoryR2({ [key]: await other.get(key) });

    const [facts] = await encodeAll(clip, whole, r2);
    const top = facts!.tracks[1]!.segments;
    expect(top[1]).toEqual(stored!.tracks[1]!.segments[1]);
    expect(top[2]!.sha256).not.toBe(stored!.tracks[1]!.segments[2]!.sha256);
    expect(await r2.get(key)).toEqual(await other.get(key));
  });

  test.each([
    { what: 'the same init segment is stored', change: (bytes: Buffer) => bytes, code: undefined },
    {
      what: 'another init segment is stored',
      // The level in avcC, as another encoder version might choose it.
      change: (bytes: Buffer) =>
        bytes.fill(
          bytes[bytes.indexOf('avcC') + 7]! + 1,
          bytes.indexOf('avcC') + 7,
          bytes.indexOf('avcC') + 8,
        ),
      code: 'init_mismatch',
    },
  ])('ends $code when $what', async ({ change, code }) => {
    const r2 = memoryR2();
    const first = plan.chunks[0]!;
    await onFile(clip, ({ context }) => encodeChunk(context, plan, first), { r2 });
    const key = PREFIX + initName(TOP);
    const init = change(Buffer.from(await r2.get(key)));
    const again = onFile(clip, ({ context }) => encodeChunk(context, plan, first), {
      r2: memoryR2({ [key]: init }),
    });
    if (code) await expect(again).rejects.toMatchObject({ code });
    else await expect(again).resolves.toMatchObject({ version: 1 });
  });
});

describe('a source that ends early', () => {
  /** 0.25 s at 30 frames per second. */
  const HELD = 8;

  test.each([
    { missing: HELD, code: undefined },
    { missing: HELD + 1, code: 'media_truncated' },
  ])('by $missing frames gives $code', async ({ missing, code }) => {
    const whole = asOneChunk(plan);
    const longer: Plan = { ...whole, totalFrames: whole.totalFrames + missing };
    const result = encodeAll(clip, longer);
    if (code) await expect(result).rejects.toMatchObject({ code });
    else expect((await result)[0]!.tracks[1]!.segments.at(-1)!.samples).toBe(30 + HELD);
  });

  test('because the upload was cut is told from the whole one, after what is there has been stored', async () => {
    const cut = join(folder, 'cut.mp4');
    const bytes = await readFile(clip);
    await writeFile(cut, bytes);
    await truncate(cut, Math.floor(bytes.length * 0.6));
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    await expect(encodeAll(cut, whole, r2)).rejects.toMatchObject({ code: 'media_truncated' });
    expect(r2.objects.has(PREFIX + segmentName(TOP, 0))).toBe(true);
    expect(r2.objects.has(PREFIX + segmentName(TOP, 3))).toBe(false);
    await expect(encodeAll(clip, whole)).resolves.toHaveLength(1);
  });
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
