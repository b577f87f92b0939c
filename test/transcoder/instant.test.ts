import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { audioStem, initName, instantPrefix, segmentName, videoStem } from '../../shared/object-keys.ts';
import { type Plan, PlanOptions } from '../../shared/plan.ts';
import { instantSegmentCount } from '../../shared/plan-instant.ts';
import { planJob } from '../../shared/plan-job.ts';
import { readSampleList } from '../../shared/probe/iso-sample-list.ts';
import { readIndexedSource } from '../../transcoder/indexed-source.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { beginInstant, copyInstant } from '../../transcoder/stages/instant.ts';
import { judgeCopy, lookAtCopy } from '../../transcoder/stages/judge-instant.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { openFileSource } from '../support/file-source.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { LIMITS, onFile, PREFIX } from './encoding.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
const TONE = ['-f', 'lavfi', '-i', 'sine=d=5:r=48000'];
const AAC = ['-c:a', 'aac', '-ac', '2'];
const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=5'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '30'];
const SILENT_LOG = {
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => SILENT_LOG,
};
const LADDER = [{ shortSidePixels: 90, maxBitrateBps: 5_000_000 }];
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('instant');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

/** The plan of a file as the pipeline makes it, with segments of two seconds. */
async function planOf(path: string): Promise<Plan> {
  await using scratch = await createScratch('instant-test');
  await using source = await openFileSource(path);
  const info = await probeSource(source, scratch, LIMITS, new AbortController().signal);
  const plan = planJob(info, PlanOptions.parse({ segmentSeconds: 2, ladder: LADDER }));
  const copyable = judgeCopy(await lookAtCopy(source), info, plan, SILENT_LOG);
  return { ...plan, ...(copyable && { instant: copyable.instant }) };
}

async function copy(path: string, plan: Plan, r2: MemoryR2 = memoryR2(), mark = 0) {
  return onFile(
    path,
    async ({ context, commits }) => ({ mark: await copyInstant(context, plan), commits, r2 }),
    { r2, mark },
  );
}

/** Init and segments of a track in one file. */
async function joined(r2: MemoryR2, stem: string, count: number): Promise<string> {
  const names = [initName(stem), ...Array.from({ length: count }, (_, index) => segmentName(stem, index))];
  const parts = await Promise.all(names.map((name) => r2.get(instantPrefix(PREFIX) + name)));
  const path = join(folder, `${stem}-${Math.random()}.mp4`);
  await writeFile(path, Buffer.concat(parts));
  return path;
}

/** Hashes of all pictures as they are shown, one after another. */
async function pictures(path: string): Promise<string[]> {
  const { stdout } = await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-i', path, '-map', '0:v:0', '-fps_mode', 'passthrough'],
    ...['-f', 'framemd5', '-'],
  ]);
  const lines = stdout.split('\n').filter((line) => line && !line.startsWith('#'));
  return lines.map((line) => line.split(',').at(-1)!.trim());
}

/** When the first packet of a track is due, in seconds of the file's own clock. */
async function startOf(path: string): Promise<number> {
  const { stdout } = await run('ffprobe', [
    ...['-v', 'error', '-show_entries', 'packet=pts_time', '-read_intervals', '%+#1', '-of', 'csv=p=0', path],
  ]);
  return Number(stdout.split(/[\s,]+/)[0]);
}

describe('a copied rendition', () => {
  test.each([
    { name: 'plain', args: [...PICTURES, ...TONE, ...X264, '-bf', '0', ...AAC] },
    { name: 'with B-pictures behind an edit', args: [...PICTURES, ...TONE, ...X264, '-bf', '3', ...AAC] },
    {
      name: 'at 29.97',
      args: ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30000/1001:d=5', ...TONE, ...X264, ...AAC],
    },
    {
      name: 'whose pictures start late',
      args: [...TONE, '-itsoffset', '0.7', ...PICTURES, ...X264, '-map', '1:v', '-map', '0:a', ...AAC],
    },
    {
      name: 'whose sound starts late',
      args: [...PICTURES, '-itsoffset', '0.7', ...TONE, ...X264, ...AAC],
    },
    { name: 'with sound of another kind', args: [...PICTURES, ...TONE, ...X264, '-c:a', 'libmp3lame'] },
    { name: 'with mono sound', args: [...PICTURES, ...TONE, ...X264, '-c:a', 'aac', '-ac', '1'] },
    { name: 'without sound', args: [...PICTURES, ...X264] },
    {
      name: 'of a variable pace',
      args: [...PICTURES, ...TONE, '-vf', "select='lt(mod(n,7),5)'", '-fps_mode', 'vfr', ...X264, ...AAC],
    },
    {
      name: 'in QuickTime',
      extension: 'mov',
      args: [...PICTURES, ...TONE, ...X264, ...AAC],
    },
  ])('$name shows the very pictures of its source', async ({ name, args, extension = 'mp4' }) => {
    const path = await make(`${name.replaceAll(' ', '-')}.${extension}`, args);
    const plan = await planOf(path);
    const instant = plan.instant!;
    expect(instant).toBeDefined();
    const { mark, commits, r2 } = await copy(path, plan);
    expect(mark).toBe(instantSegmentCount(instant));
    expect(commits).toEqual(Array.from({ length: mark }, (_, index) => index + 1));

    const video = await joined(r2, videoStem(instant.video.name), instant.video.segments.length);
    expect(await pictures(video)).toEqual(await pictures(path));
    expect(Boolean(instant.audio)).toBe(plan.audio.length > 0);
    if (!instant.audio) return;
    const audio = await joined(r2, audioStem(instant.audio.name), instant.audio.segments.length);
    const { stderr } = await run('ffmpeg', ['-nostdin', '-v', 'warning', '-i', audio, '-f', 'null', '-']);
    expect(stderr).toBe('');
  });
});

describe('an attempt', () => {
  const clip = () => make('attempt.mp4', [...PICTURES, ...TONE, ...X264, '-bf', '2', ...AAC]);
  const mute = () => make('mute.mp4', [...PICTURES, ...TONE, ...X264, '-c:a', 'libmp3lame']);

  test.each([
    { name: 'copied', clip },
    { name: 'encoded', clip: mute },
  ])('goes on after the mark, sound $name, and keeps what is stored', async ({ clip }) => {
    const path = await clip();
    const plan = await planOf(path);
    const { r2: whole } = await copy(path, plan);
    const kept = [...whole.objects].filter(([key]) => /_init\.mp4|_00[01]\.m4s/.test(key));
    const marked = kept.map(
      ([key, bytes]) => [key, key.endsWith('m4s') ? Buffer.from(bytes) : bytes] as const,
    );
    const { commits, r2 } = await copy(path, plan, memoryR2(Object.fromEntries(marked)), 2);
    expect(commits).toEqual([3]);
    for (const [key, bytes] of marked) expect(r2.objects.get(key)).toBe(bytes);
    expect([...r2.objects.keys()].sort()).toEqual([...whole.objects.keys()].sort());
    const video = /stream_/;
    for (const [key, bytes] of whole.objects) {
      if (video.test(key)) expect(Buffer.compare(r2.objects.get(key)!, bytes), key).toBe(0);
    }
  });

  test('begins with the plan, unless the sound must be encoded', async () => {
    for (const [path, mark] of [
      [await clip(), 3],
      [await mute(), 0],
    ] as const) {
      await using scratch = await createScratch('begin-test');
      await using source = await openFileSource(path);
      const info = await probeSource(source, scratch, LIMITS, new AbortController().signal);
      const planned = planJob(info, PlanOptions.parse({ segmentSeconds: 1, ladder: LADDER }));
      const copyable = judgeCopy(await lookAtCopy(source), info, planned, SILENT_LOG)!;
      const plan = { ...planned, instant: copyable.instant };
      const { begun, r2, commits } = await onFile(path, async ({ context, r2, commits }) => ({
        begun: await beginInstant(context, plan, copyable),
        ...{ r2, commits },
      }));
      expect({ begun, commits }).toEqual({ begun: mark, commits: [] });
      const { r2: whole } = await copy(path, plan);
      for (const [key, bytes] of r2.objects) expect(Buffer.compare(whole.objects.get(key)!, bytes)).toBe(0);
    }
  });

  test('ends where a segment is not what was planned', async () => {
    const path = await clip();
    const plan = await planOf(path);
    await expect(copy(path, plan)).resolves.toMatchObject({ mark: 3 });
    const instant = structuredClone(plan.instant!);
    instant.video.segments[1]!.durationTicks += 1;
    await expect(copy(path, { ...plan, instant })).rejects.toMatchObject({ code: 'verification_failed' });
  });

  test('ends where a key picture turns out to be none', async () => {
    const path = await clip();
    const plan = await planOf(path);
    const bytes = await readFile(path);
    const { index } = await inspectFile(path);
    const list = readSampleList(index.tracks[0]!, 1000)!;
    const key = list.keys.lastIndexOf(1);
    // The header of its first slice: an IDR becomes an ordinary slice.
    const slice = bytes.indexOf(0x65, list.offsets[key]!);
    bytes[slice] = 0x61;
    const broken = join(folder, 'broken.mp4');
    await writeFile(broken, bytes);
    await expect(copy(broken, plan)).rejects.toMatchObject({ code: 'verification_failed' });
    expect((await planOf(broken)).instant).toBeUndefined();
  });
});

describe('no copy is planned', () => {
  const judged = async (path: string, sizeBytes?: number) => {
    await using scratch = await createScratch('judge-test');
    await using source = await openFileSource(path);
    const info = await probeSource(source, scratch, LIMITS, new AbortController().signal);
    const plan = planJob(info, PlanOptions.parse({ ladder: LADDER }));
    const look = await lookAtCopy(source);
    return judgeCopy(look, { ...info, sizeBytes: sizeBytes ?? info.sizeBytes }, plan, SILENT_LOG)?.instant;
  };

  test('of a file cut between key pictures, but of one cut at a key picture', async () => {
    const whole = await make('whole.mp4', [...PICTURES, ...X264, '-bf', '0']);
    const cutAt = (name: string, at: string) => make(name, ['-ss', at, '-i', whole, '-c', 'copy']);
    expect(await judged(await cutAt('between.mp4', '1.5'))).toBeUndefined();
    const kept = await cutAt('at-key.mp4', '1');
    const plan = await planOf(kept);
    const { r2 } = await copy(kept, plan);
    const { name, segments } = plan.instant!.video;
    expect(await pictures(await joined(r2, videoStem(name), segments.length))).toEqual(await pictures(kept));
  });

  test('that would be larger than its source', async () => {
    const path = await make('size.mp4', [...PICTURES, ...TONE, ...X264, ...AAC]);
    expect(await judged(path, 10_000)).toBeUndefined();
    expect(await judged(path)).toBeDefined();
  });

  test('where groups need the one before', async () => {
    const open = await make('open.mp4', [...PICTURES, ...X264, '-bf', '2', '-x264-params', 'open-gop=1']);
    expect(await judged(open)).toBeUndefined();
    expect(await judged(await make('closed.mp4', [...PICTURES, ...X264, '-bf', '2']))).toBeDefined();
  });
});

describe('what a copy takes along', () => {
  test('is no note that a writer put between the pictures', async () => {
    const path = await make('notes.mp4', [...PICTURES, ...X264]);
    expect((await readFile(path)).includes('x264 - core')).toBe(true);
    const { r2 } = await copy(path, await planOf(path));
    for (const [key, bytes] of r2.objects) expect(Buffer.from(bytes).includes('x264'), key).toBe(false);
  });

  test('is shown when the source shows it: sound and picture keep their distance', async () => {
    const late = ['-itsoffset', '0.5', ...TONE];
    const path = await make('distance.mp4', [...PICTURES, ...late, ...X264, '-bf', '2', ...AAC]);
    const plan = await planOf(path);
    const { r2 } = await copy(path, plan);
    const { video, audio } = plan.instant!;
    expect(video.segments[0]!.startTicks).toBe(0);
    const file = await joined(r2, audioStem(audio!.name), audio!.segments.length);
    // Silence fills the time before; one frame of it, at most two, goes before time zero.
    const silence = ['-af', 'silencedetect=noise=-50dB:d=0.1', '-f', 'null', '-'];
    const { stderr } = await run('ffmpeg', ['-nostdin', '-copyts', '-i', file, ...silence]);
    expect(Number(/silence_end: ([\d.]+)/.exec(stderr)?.[1])).toBeCloseTo(0.5, 1);
    expect(await startOf(file)).toBeGreaterThan(-0.05);
  });
});

async function inspectFile(path: string) {
  await using source = await openFileSource(path);
  return await readIndexedSource(source);
}
