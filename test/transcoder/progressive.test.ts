// The film in one file: what is in it is what the rung has, frame for frame and sample for sample.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { initName, PROGRESSIVE, segmentName } from '../../shared/object-keys.ts';
import { progressiveRendition } from '../../shared/progressive.ts';
import { boxesIn, findBox, requireBox, viewOf, writeBox } from '../../transcoder/isobmff/boxes.ts';
import { movieHead, SampleTable } from '../../transcoder/isobmff/movie.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { certify } from '../../transcoder/stages/certify.ts';
import { packagePresentation } from '../../transcoder/stages/package.ts';
import { makeProgressive } from '../../transcoder/stages/progressive.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { type FinishedTracks, finishedTracks } from '../../transcoder/tracks.ts';
import { certifierOf, type FinishedJob, makeFinishedJob, OUTPUT_PREFIX } from '../support/finished-job.ts';

const run = promisify(execFile);
const SMALL_PART_BYTES = 20_000;
const KEY = OUTPUT_PREFIX + PROGRESSIVE;

let scratch: Scratch;
let job: FinishedJob;
let tracks: FinishedTracks;

beforeAll(async () => {
  scratch = await createScratch('progressive-test');
  job = await makeFinishedJob();
  tracks = finishedTracks(job.plan, job.facts);
});
afterAll(() => scratch[Symbol.asyncDispose]());

/** Writes the file anew, in parts of `partBytes`. */
async function made(some: Partial<FinishedTracks> = {}, partBytes?: number) {
  job.r2.objects.delete(KEY);
  const context = { ...certifierOf(job), signal: new AbortController().signal } as unknown as TaskContext;
  const file = await makeProgressive(context, { ...tracks, ...some }, partBytes);
  return { file, bytes: job.r2.objects.get(KEY) };
}

async function onDisk(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(scratch.path(name), bytes);
  return scratch.path(name);
}

/** A track as a player appends it. */
function rung(stem: string, segments: number): Promise<string> {
  const names = [initName(stem), ...Array.from({ length: segments }, (_, index) => segmentName(stem, index))];
  const bytes = names.map((name) => job.r2.objects.get(OUTPUT_PREFIX + name)!);
  return onDisk(`${stem}.mp4`, Buffer.concat(bytes));
}

/** A line for each decoded frame: when it is shown, how long, and what is in it. */
async function frames(path: string, kind: 'v' | 'a'): Promise<string[]> {
  const options = ['-nostdin', '-v', 'error', '-i', path, '-map', `0:${kind}`, '-f', 'framemd5', '-'];
  const { stdout, stderr } = await run('ffmpeg', options, { maxBuffer: 2 ** 24 });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => /^\d/.test(line));
}

function timeOf(frame: string): number {
  return Number(frame.split(',')[2]);
}

function withTime(frame: string, ticks: number): string {
  return `${ticks} ${frame.split(',').slice(3)}`;
}

describe('the progressive file', () => {
  test('shows every frame of its rung when the rung does, and sounds the same', async () => {
    const { bytes } = await made({}, SMALL_PART_BYTES);
    const path = await onDisk('whole.mp4', bytes!);
    const [video, audio] = [tracks.video.at(-1)!, tracks.audio[0]!];
    const pictures = await frames(path, 'v');
    expect(pictures).toHaveLength(job.plan.totalFrames);
    expect(pictures).toEqual(await frames(await rung(video.stem, video.segments.length), 'v'));
    expect(pictures[0]).toMatch(/^0,\s*0,\s*0,/);
    const sound = await frames(path, 'a');
    // ffmpeg does not hide an encoder's priming in a fragmented file, whose edit has no end.
    const separate = await frames(await rung(audio.stem, audio.segments.length), 'a');
    expect(separate).toHaveLength(sound.length + 1);
    const heard = separate.slice(1).map((line) => withTime(line, timeOf(line) - 1024));
    expect(sound.map((line) => withTime(line, timeOf(line)))).toEqual(heard);
    expect(timeOf(sound[0]!)).toBe(0);
  });

  test('has its index in front, and nothing of the source or of us in it', async () => {
    const bytes = (await made()).bytes!;
    expect(boxesIn(bytes).map(({ type }) => type)).toEqual(['ftyp', 'moov', 'mdat']);
    expect(findBox(bytes, 'moov/udta')).toBeUndefined();
    expect(findBox(bytes, 'moov/meta')).toBeUndefined();
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'format_tags:stream_tags',
      scratch.path('whole.mp4'),
    ]);
    expect(stdout).not.toMatch(/encoder|title|location|comment/i);
  });

  test('takes pictures and sound in turns of a second', async () => {
    const path = await onDisk('turns.mp4', (await made()).bytes!);
    const entries = ['-show_entries', 'packet=stream_index,dts_time,pos', '-of', 'csv=p=0'];
    const { stdout } = await run('ffprobe', ['-v', 'error', ...entries, path]);
    const packets = stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(',').map(Number) as [number, number, number])
      .sort((a, b) => a[2] - b[2]);
    const reached = [0, 0];
    let turns = 0;
    let last = -1;
    for (const [stream, seconds] of packets) {
      reached[stream] = seconds;
      expect(Math.abs(reached[0]! - reached[1]!)).toBeLessThan(1.2);
      if (stream !== last) turns++;
      last = stream;
    }
    expect(turns).toBe(10); // five seconds of two tracks
  });

  test('is the same however many parts it is stored in, and what it says of itself holds', async () => {
    const whole = await made();
    const inParts = await made({}, SMALL_PART_BYTES);
    expect(Buffer.compare(whole.bytes!, inParts.bytes!)).toBe(0);
    expect(inParts.file).toEqual(whole.file);
    expect(whole.file).toEqual({
      rendition: '180p',
      sizeBytes: whole.bytes!.length,
      sha256: createHash('sha256').update(whole.bytes!).digest('hex'),
    });
  });

  test('is certified with its size and hash, and refused with another size', async () => {
    const progressive = (await made()).file!;
    const facts = { ...job.facts, progressive };
    const { presentation, documents } = packagePresentation(job.plan, facts);
    expect(presentation.hasProgressive).toBe(true);
    const certificate = await certify(certifierOf(job), job.plan, facts, documents);
    expect(certificate.progressive).toEqual(progressive);
    const wrong = { ...facts, progressive: { ...progressive, sizeBytes: progressive.sizeBytes + 1 } };
    await expect(certify(certifierOf(job), job.plan, wrong, documents)).rejects.toMatchObject({
      code: 'verification_failed',
      detail: expect.stringMatching(/^object-sizes: progressive\.mp4 /),
    });
  });

  test('is not made of what is protected, nor of sound alone', async () => {
    const protection = { scheme: 'aes-128' as const };
    expect(await made({ protection })).toEqual({ file: undefined, bytes: undefined });
    expect(await made({ video: [] })).toEqual({ file: undefined, bytes: undefined });
    expect((await made()).file).toBeDefined();
  });

  test('is made of silent pictures too', async () => {
    const path = await onDisk('silent.mp4', (await made({ audio: [] })).bytes!);
    expect(await frames(path, 'v')).toHaveLength(job.plan.totalFrames);
  });

  test('is not written where a segment is missing', async () => {
    const key = OUTPUT_PREFIX + segmentName(tracks.audio[0]!.stem, 1);
    const kept = job.r2.objects.get(key)!;
    job.r2.objects.delete(key);
    await expect(made()).rejects.toMatchObject({ code: 'not_found' });
    expect(job.r2.objects.has(KEY)).toBe(false);
    job.r2.objects.set(key, kept);
    expect((await made()).file).toBeDefined();
  });
});

describe('which rung it is of', () => {
  test.each([
    [['240p', '360p', '480p', '720p', '1080p'], '720p'],
    [['240p', '480p', '1080p'], '480p'],
    [['360p'], '360p'],
    [['1080p', '2160p'], '1080p'],
  ])('of %j it is %s', (names, expected) => {
    expect(progressiveRendition(names.map((name) => ({ name })))?.name).toBe(expected);
  });
});

describe('an index', () => {
  const head = (chunkBytes: number[]) => {
    const samples = new SampleTable();
    for (const [place, sizeBytes] of chunkBytes.entries()) {
      samples.addChunk(place, [{ sizeBytes, durationTicks: 1, compositionTicks: 0, isSync: true }]);
    }
    const description = writeBox('stsd');
    const size = { width: 16, height: 16 };
    return movieHead(
      [{ kind: 'video', timescale: 1, ...size, description, hiddenTicks: 0, samples }],
      chunkBytes,
    );
  };
  /** Without the mdat's header, which claims bytes that are not there. */
  const moovOf = (bytes: Uint8Array, headerBytes: number) => bytes.subarray(0, bytes.length - headerBytes);

  test('counts places in 64 bits in a file above 4 GiB, and in 32 below', () => {
    const large = head([2 ** 32, 10]);
    const moov = moovOf(large, 16);
    const box = requireBox(moov, 'moov/trak/mdia/minf/stbl/co64');
    const view = viewOf(moov);
    expect(Number(view.getBigUint64(box.bodyStart + 8))).toBe(large.length);
    expect(Number(view.getBigUint64(box.bodyStart + 16))).toBe(large.length + 2 ** 32);
    expect(Number(viewOf(large).getBigUint64(large.length - 8))).toBe(2 ** 32 + 10 + 16);

    const small = head([100, 10]);
    const offsets = requireBox(moovOf(small, 8), 'moov/trak/mdia/minf/stbl/stco');
    expect(viewOf(small).getUint32(offsets.bodyStart + 12)).toBe(small.length + 100);
  });
});
