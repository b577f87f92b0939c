import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TrackFacts } from '../../shared/messages.ts';
import type { Plan } from '../../shared/plan.ts';
import { encodeAudio } from '../../transcoder/stages/audio.ts';
import { CORPUS, ffmpeg, ffprobe, makeFolder } from '../support/media.ts';
import { decode, onFile, planFile, writeTrack } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=3'];
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30'];
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('audio-choices');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

/** A planned track as one file, decoded without a word of complaint. */
async function encoded(
  source: string,
  plan: Plan,
  index: number,
): Promise<{ track: TrackFacts; path: string }> {
  const r2 = memoryR2();
  const facts = await onFile(source, ({ context }) => encodeAudio(context, plan, index), { r2 });
  const track = facts.tracks[0]!;
  const path = await writeTrack(r2, track.stem, track.segments.length, join(folder, `${Math.random()}.mp4`));
  expect((await decode(path)).complaints).toBe('');
  return { track, path };
}

async function channelsOf(path: string): Promise<string> {
  const entries = 'stream=codec_name,profile,channels,channel_layout';
  return (await ffprobe(['-show_entries', entries, '-of', 'csv=p=0', path])).trim();
}

/** RMS of each channel in dB. */
async function levels(path: string): Promise<number[]> {
  const { stderr } = await run('ffmpeg', [
    '-nostdin',
    '-i',
    path,
    '-af',
    'astats=measure_overall=none',
    '-f',
    'null',
    '-',
  ]);
  return [...stderr.matchAll(/RMS level dB: (\S+)/g)].map(([, level]) =>
    level === '-inf' ? Number.NEGATIVE_INFINITY : Number(level),
  );
}

// A tone in one channel alone: the loudspeaker behind on the left.
const SURROUND = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000:d=3,pan=5.1|BL=c0'];

describe('5.1 beside stereo', () => {
  test.each([
    { file: 'ac3.mkv', codec: ['-c:a', 'ac3', '-b:a', '448k'], isCopied: false },
    { file: 'aac.mp4', codec: ['-c:a', 'aac', '-b:a', '384k'], isCopied: true },
    { file: 'flac.mkv', codec: ['-af', 'pan=7.1|BL=BL', '-c:a', 'flac'], isCopied: false },
  ])('keeps every loudspeaker in its place: $file', async ({ file, codec, isCopied }) => {
    const path = await make(file, [...VIDEO, ...SURROUND, ...X264, ...codec]);
    const plan = await planFile(path);
    expect(plan.audio).toMatchObject([
      { name: 'und', channels: 2, isCopied: false },
      { name: 'und_51', channels: 6, isCopied, surroundOf: 'und' },
    ]);
    const { track, path: joined } = await encoded(path, plan, 1);
    expect(track.init.codecs).toBe('mp4a.40.2');
    expect(await channelsOf(joined)).toBe('aac,LC,6,5.1');
    const [, , , , backLeft, backRight] = await levels(joined);
    expect(backLeft).toBeGreaterThan(-30);
    expect(backRight).toBeLessThan(-50);
    const stereo = await encoded(path, plan, 0);
    expect(await channelsOf(stereo.path)).toBe('aac,LC,2,stereo');
    expect((await levels(stereo.path))[0]).toBeGreaterThan(-40);
    // Both are cut at the same places.
    expect(stereo.track.segments.length).toBe(track.segments.length);
  });

  test('begins with silence in all six channels where it starts late', async () => {
    const late = ['-itsoffset', '1', ...SURROUND];
    const path = await make('late.mp4', [...VIDEO, ...late, ...X264, '-c:a', 'aac', '-b:a', '384k']);
    const plan = await planFile(path);
    expect(plan.audio[1]!.isCopied).toBe(true);
    const { path: joined } = await encoded(path, plan, 1);
    const head = await make('head.wav', ['-copyts', '-i', joined, '-t', '0.9']);
    expect((await levels(head)).every((level) => level < -80)).toBe(true);
  });

  test.skipIf(!CORPUS)('is made of real files', async () => {
    const path = join(CORPUS!, 'rotated-bbb-51.mp4');
    const plan = await planFile(path);
    expect(plan.audio.map(({ name, isCopied }) => [name, isCopied])).toEqual([
      ['en', false],
      ['en_51', true],
    ]);
    expect(await channelsOf((await encoded(path, plan, 1)).path)).toBe('aac,LC,6,5.1');
    const two = await planFile(join(CORPUS!, 'mpeg2-720p60-2audio-pts43473.ts'));
    expect(two.audio.map(({ name, label, isDefault }) => [name, label, isDefault])).toEqual([
      ['en', 'English', true],
      ['es', 'Spanish', false],
      ['en_51', 'English 5.1', true],
    ]);
  });
});

describe('loudness', () => {
  const levelled = `anoisesrc=color=pink:d=16:r=48000:a=0.4:seed=7,volume='if(lt(mod(t,8),4),0.8,0.15)':eval=frame`;

  async function lufsOf(path: string): Promise<number> {
    const { stderr } = await run('ffmpeg', [
      '-nostdin',
      '-i',
      path,
      '-vn',
      '-af',
      'ebur128',
      '-f',
      'null',
      '-',
    ]);
    return Number([...stderr.matchAll(/I:\s+(-?[\d.]+) LUFS/g)].at(-1)![1]);
  }

  test('is brought to the target within 1 LU, and left alone without one', async () => {
    const source = ['-f', 'lavfi', '-i', levelled, ...X264, '-c:a', 'aac', '-ac', '2', '-b:a', '192k'];
    const path = await make('quiet.mp4', [...VIDEO, ...source]);
    const before = await lufsOf(path);
    const plan = await planFile(path);
    expect(plan.audio[0]!.isCopied).toBe(true);
    expect(Math.abs((await lufsOf((await encoded(path, plan, 0)).path)) - before)).toBeLessThan(0.3);

    for (const targetLufs of [-16, -23]) {
      expect(Math.abs(before - targetLufs)).toBeGreaterThan(2);
      const loud = await planFile(path, { loudness: { targetLufs } });
      expect(loud.audio[0]!.isCopied).toBe(false);
      const { track, path: joined } = await encoded(path, loud, 0);
      expect(track.init.timescale).toBe(48_000);
      expect(Math.abs((await lufsOf(joined)) - targetLufs)).toBeLessThan(1);
      const seconds = track.segments.reduce((sum, one) => sum + one.durationTicks, 0) / 48_000;
      expect(seconds).toBeCloseTo(16, 1);
    }
  });
});
