import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SegmentFacts, TrackFacts } from '../../shared/messages.ts';
import { initName, segmentName } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { setFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { readEditList } from '../../transcoder/isobmff/init.ts';
import { encodeAudio } from '../../transcoder/stages/audio.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { decode, onFile, PREFIX, planFile, writeTrack } from './encoding.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
const AAC_FRAME = 1024;
const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=4'];
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30'];
/** Stereo AAC-LC, which is taken over; mono is encoded again. */
const STEREO = ['-c:a', 'aac', '-ac', '2'];
const MONO = ['-c:a', 'aac', '-ac', '1'];
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('audio');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

async function encode(path: string, plan: Plan, r2: MemoryR2 = memoryR2(), mark = 0) {
  const facts = await onFile(
    path,
    async ({ context, commits }) => ({ ...(await encodeAudio(context, plan, 0)), commits }),
    { r2, mark },
  );
  return { track: facts.tracks[0]!, commits: facts.commits, r2 };
}

/** One file of a rendition, decoded without a word of complaint. */
async function joined(r2: MemoryR2, track: TrackFacts): Promise<string> {
  const path = await writeTrack(r2, track.stem, track.segments.length, join(folder, `${Math.random()}.mp4`));
  expect((await decode(path)).complaints).toBe('');
  return path;
}

/** Seconds at which sound is first and last heard. Without copyts ffmpeg would shift the hidden priming to 0. */
async function heard(path: string): Promise<{ onset: number; end: number }> {
  const pcm = ['-af', 'aresample=async=1:first_pts=0', '-ac', '1', '-ar', '8000', '-f', 's16le', '-'];
  const { stdout } = await run('ffmpeg', ['-nostdin', '-v', 'error', '-copyts', '-i', path, '-vn', ...pcm], {
    encoding: 'buffer',
    maxBuffer: 1 << 24,
  });
  const isLoud = Array.from(
    { length: stdout.length / 2 },
    (_, i) => Math.abs(stdout.readInt16LE(i * 2)) > 500,
  );
  return { onset: isLoud.indexOf(true) / 8000, end: isLoud.lastIndexOf(true) / 8000 };
}

function expectNoHole(segments: SegmentFacts[]): void {
  let end = 0;
  for (const [index, segment] of segments.entries()) {
    expect(segment).toMatchObject({ index, startTicks: end });
    expect(segment.durationTicks).toBe(segment.samples * AAC_FRAME);
    end += segment.durationTicks;
  }
}

describe('an encoded track', () => {
  test('is cut at the frame nearest each boundary of the video and hides its priming by one edit', async () => {
    const path = await make('mono.mp4', [
      ...VIDEO,
      '-f',
      'lavfi',
      '-i',
      'sine=d=4:r=48000',
      ...X264,
      ...MONO,
    ]);
    const plan = await planFile(path);
    const { track, commits, r2 } = await encode(path, plan);

    expect(track.init).toMatchObject({ codecs: 'mp4a.40.2', timescale: 48_000 });
    expectNoHole(track.segments);
    expect(track.segments).toHaveLength(4);
    expect(commits).toEqual([1, 2, 3, 4]);
    for (const { index, startTicks } of track.segments) {
      const shownAt = index === 0 ? 0 : startTicks - AAC_FRAME;
      expect(Math.abs(shownAt - index * 48_000)).toBeLessThanOrEqual(AAC_FRAME / 2);
    }
    const init = await r2.get(PREFIX + initName(track.stem));
    expect(readEditList(init)).toEqual({ pauseSeconds: 0, hiddenTicks: AAC_FRAME });
    await joined(r2, track);
  });

  test('keeps 44.1 kHz and brings other rates to one that every player takes', async () => {
    for (const [rate, expected] of [
      [44_100, 44_100],
      [22_050, 44_100],
    ]) {
      const tone = ['-f', 'lavfi', '-i', `sine=d=1:r=${rate}`];
      const path = await make(`${rate}.mp4`, [...VIDEO, ...tone, ...X264, ...MONO, '-t', '1']);
      const { track } = await encode(path, await planFile(path));
      expect(track.init.timescale).toBe(expected);
    }
  });

  test.each([
    { seconds: 3.3, segments: 3 },
    { seconds: 3.7, segments: 4 },
  ])('of $seconds s has $segments segments: a stub joins the one before', async ({ seconds, segments }) => {
    const tone = ['-f', 'lavfi', '-i', `sine=d=${seconds}:r=48000`];
    const until = ['-t', String(seconds)];
    const path = await make(`stub-${seconds}.mp4`, [...VIDEO, ...tone, ...X264, ...MONO, ...until]);
    const { track } = await encode(path, await planFile(path));
    expectNoHole(track.segments);
    expect(track.segments).toHaveLength(segments);
  });

  test('may be longer than its video by several segments', async () => {
    const path = await make('long.mp4', [
      ...VIDEO,
      '-f',
      'lavfi',
      '-i',
      'sine=d=6.5:r=48000',
      ...X264,
      ...MONO,
    ]);
    const { track } = await encode(path, await planFile(path));
    expectNoHole(track.segments);
    expect(track.segments).toHaveLength(7);
  });
});

describe('sound stays with its picture', () => {
  // A second of tone that starts at 1.000 s, in a track that itself starts late.
  const late = (codec: string[]) => [
    ...[...VIDEO, '-itsoffset', '1', '-f', 'lavfi', '-i', 'sine=f=880:d=2:r=48000'],
    ...[...X264, ...codec, '-t', '3'],
  ];

  test.each([
    { name: 'encoded from MP4', file: 'late-mono.mp4', codec: MONO, isCopied: false },
    { name: 'copied from MP4', file: 'late-stereo.mp4', codec: STEREO, isCopied: true },
    { name: 'copied from Matroska', file: 'late-stereo.mkv', codec: STEREO, isCopied: true },
    { name: 'copied from MPEG-TS', file: 'late-stereo.ts', codec: STEREO, isCopied: true },
  ])('when it starts late: $name', async ({ file, codec, isCopied }) => {
    const path = await make(file, late(codec));
    const plan = await planFile(path);
    expect(plan.audio[0]!.isCopied).toBe(isCopied);
    const { track, r2 } = await encode(path, plan);
    expectNoHole(track.segments);

    const { onset, end } = await heard(await joined(r2, track));
    // Neither Matroska nor TS says how much priming to drop: 21 ms of it are part of the copied sound.
    expect(Math.abs(onset - 1)).toBeLessThan(file.endsWith('.mp4') ? 0.003 : 0.025);
    expect(Math.abs(end - onset - 2)).toBeLessThan(0.03);
  });

  test('after a copied track that ends early, whose silence lasts as long as the pictures', async () => {
    const tone = ['-f', 'lavfi', '-i', 'sine=d=1.5:r=48000'];
    const path = await make('early.mp4', [...VIDEO, ...tone, ...X264, ...STEREO]);
    const { track, r2 } = await encode(path, await planFile(path));
    expectNoHole(track.segments);
    expect(track.segments).toHaveLength(4);
    const last = track.segments.at(-1)!;
    const lastTick = last.startTicks + last.durationTicks;
    expect(Math.abs(lastTick / track.init.timescale - 4)).toBeLessThan(0.05);
    const { onset, end } = await heard(await joined(r2, track));
    expect(onset).toBeLessThan(0.03);
    expect(Math.abs(end - 1.5)).toBeLessThan(0.05);
  });

  test('after a hole in a copied track, which is filled with silence', async () => {
    const whole = ['-f', 'lavfi', '-i', 'sine=d=4:r=48000'];
    // Frames 47 to 140 are gone: one second to three.
    const dropped = ['-bsf:a', 'noise=drop=between(n\\,47\\,140)'];
    const full = await make('full.mkv', [...VIDEO, ...whole, ...X264, ...STEREO]);
    const path = await make('hole.mkv', ['-i', full, '-c', 'copy', ...dropped]);
    const { track, r2 } = await encode(path, await planFile(path));
    expectNoHole(track.segments);
    expect(track.segments).toHaveLength(4);
    const { end } = await heard(await joined(r2, track));
    expect(Math.abs(end - 4)).toBeLessThan(0.05);
    // Silence is cheap: what was sound before takes far more.
    expect(track.segments[1]!.sizeBytes * 2).toBeLessThan(track.segments[0]!.sizeBytes);
  });
});

describe('a second attempt', () => {
  test('stores and commits only what is missing', async () => {
    const path = await make('retry.mp4', [
      ...VIDEO,
      '-f',
      'lavfi',
      '-i',
      'sine=d=4:r=48000',
      ...X264,
      ...STEREO,
    ]);
    const plan = await planFile(path);
    const { track: before, r2: first } = await encode(path, plan);
    const kept = [initName(before.stem), segmentName(before.stem, 0), segmentName(before.stem, 1)];
    const r2 = memoryR2(
      Object.fromEntries(
        await Promise.all(kept.map(async (name) => [PREFIX + name, await first.get(PREFIX + name)])),
      ),
    );
    const { track, commits } = await encode(path, plan, r2, 2);
    expect(commits).toEqual([3, 4]);
    expect(track).toEqual(before);
  });

  test.each([
    { what: 'its own', bitrateBps: 64_000, code: undefined },
    { what: "another encoder's", bitrateBps: 96_000, code: 'init_mismatch' },
  ])('that finds $what init segment ends $code', async ({ bitrateBps, code }) => {
    const path = join(folder, 'mono.mp4');
    const plan = await planFile(path);
    const other = { ...plan, audio: [{ ...plan.audio[0]!, bitrateBps }] };
    const { track, r2 } = await encode(path, other);
    const key = PREFIX + initName(track.stem);
    const again = encode(path, plan, memoryR2({ [key]: await r2.get(key) }));
    if (code) await expect(again).rejects.toMatchObject({ code });
    else await expect(again).resolves.toMatchObject({ commits: [1, 2, 3, 4] });
  });
});

test('an encoder that dies leaves no short segment behind for the next attempt', async () => {
  const source = await make('dies.mkv', [
    ...VIDEO,
    '-f',
    'lavfi',
    '-i',
    'sine=d=4:r=48000',
    ...X264,
    ...MONO,
  ]);
  const plan = await planFile(source);
  const dying = join(folder, 'dying-ffmpeg');
  await writeFile(dying, '#!/bin/sh\nffmpeg -t 2.5 "$@"\nkill -9 $$\n', { mode: 0o755 });
  const r2 = memoryR2();
  setFfmpeg(dying);
  await expect(encode(source, plan, r2)).rejects.toMatchObject({ signal: 'SIGKILL' });
  setFfmpeg('ffmpeg');
  const { track } = await encode(source, plan, r2);
  expectNoHole(track.segments);
  const intact = await encode(source, plan);
  expect(track.segments.map(({ samples }) => samples)).toEqual(
    intact.track.segments.map(({ samples }) => samples),
  );
});
