// Real files from upload to certificate. What was stored is decoded again and laid beside the source, which
// ffmpeg decodes by itself: size, frames, pace, turn, colours, and when picture and sound begin.
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audioStem, videoStem } from '../../shared/object-keys.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { CORPUS, ffmpeg, ffprobe } from '../support/media.ts';
import {
  type Decoded,
  decodePictures,
  decodeSound,
  distance,
  lagSeconds,
  type Picture,
  soundSeconds,
  TURNS,
  turned,
} from '../support/pictures.ts';
import { runWholeJob, type WholeJob } from '../support/whole-job.ts';
import { type CorpusFile, LOST_IN_DECODING, REFUSALS, readCorpus } from './corpus-expectations.ts';

const PIECE_SECONDS = 12;
/** Pictures of a stream that are laid beside the source's. */
const SAMPLES = 24;
/** Pictures lost to damage at the very end are held from the one before; see LOST_IN_DECODING. */
const MISSING_AT_END_SECONDS = 0.01;
const all = readCorpus();
const accepted = all.filter(({ file }) => !REFUSALS[file]);
const isLong = ({ ffprobe: { duration_s } }: CorpusFile) =>
  (duration_s ?? 0) > 2 * PIECE_SECONDS && duration_s! < 1e5;

let scratch: Scratch;
beforeAll(async () => {
  scratch = await createScratch('corpus');
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe.skipIf(!CORPUS)('refuses with a sentence', () => {
  test.each(all.filter(({ file }) => REFUSALS[file]))('$file', async ({ file, expected }) => {
    expect(expected.outcome).not.toBe('transcodes');
    const error = await runWholeJob(join(CORPUS!, file)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: REFUSALS[file], detail: expect.stringMatching(/^The .*\.$/) });
    const { detail } = error as { detail: string };
    expect(detail).not.toMatch(/127\.0\.0\.1|\/tmp|@ 0x|\[/);
  });
});

describe.skipIf(!CORPUS)('publishes what it was given', { timeout: 180_000 }, () => {
  test.each(accepted.filter((entry) => !isLong(entry)))('$file', async (entry) => {
    const { plan, source } = await publish(join(CORPUS!, entry.file), entry);
    const { file, ffprobe: manifest } = entry;
    const decoded = manifest.decode_test?.video_frames_decoded;
    if (!manifest.variable_frame_rate && decoded) {
      const framesBefore = Math.round(source[0]!.seconds * framesPerSecond(plan.fps));
      expect(plan.totalFrames - framesBefore).toBe(decoded + (LOST_IN_DECODING[file] ?? 0));
    }
  });

  test.each(accepted.filter(isLong))('the first and the last 12 seconds of $file', async (entry) => {
    const path = join(CORPUS!, entry.file);
    const first = scratch.path(`first-${basename(path)}`);
    const last = scratch.path(`last-${basename(path)}`);
    await ffmpeg(['-i', path, '-map', '0', '-t', String(PIECE_SECONDS), '-c', 'copy', first]);
    await ffmpeg(['-sseof', String(-PIECE_SECONDS), '-i', path, '-map', '0', '-c', 'copy', last]);
    await publish(first, entry);
    await publish(last, entry);
  });
});

/** Makes the whole job of a file and looks at everything it stored. */
async function publish(path: string, { file, ffprobe: manifest }: CorpusFile) {
  const shown = manifest.display_size!.split('x').map(Number) as [number, number];
  const top = Math.min(...shown);
  const rows = [{ shortSidePixels: 240, maxBitrateBps: 400_000 }];
  if (top > 240) rows.push({ shortSidePixels: top, maxBitrateBps: 8_000_000 });
  const job = await runWholeJob(path, { threads: 2, options: { preset: 'ultrafast', ladder: rows } });
  const { plan, presentation } = job;

  expect(Math.abs(presentation.width! - shown[0])).toBeLessThanOrEqual(1);
  expect(Math.abs(presentation.height! - shown[1])).toBeLessThanOrEqual(1);
  expect(presentation.frameRate).toBe(framesPerSecond(plan.fps));
  expect(job.certificate.checks.length).toBeGreaterThan(10);

  const clock = await sourceClock(path, plan.source.videoStreamIndex);
  expect(Math.abs(plan.source.zeroSeconds! - clock.zeroSeconds)).toBeLessThan(0.003);
  const source = await decodePictures(path, String(plan.source.videoStreamIndex));
  const pictures = source.pictures.map((one) => ({ ...one, seconds: one.seconds - clock.zeroSeconds }));
  expectPace(file, job, pictures, manifest.video?.[0]?.fps_avg);
  for (const [index, rendition] of plan.renditions.entries()) {
    const track = scratch.path(`${rendition.name}.mp4`);
    await writeFile(track, job.trackBytes(videoStem(rendition.name)));
    await expectDescription(track, job, index);
    const decoded = await decodePictures(track);
    expectEveryFrame(job, decoded);
    expectLikeness(job, pictures, decoded.pictures);
  }
  for (const [index, audio] of presentation.audio.entries()) {
    const track = scratch.path('sound.mp4');
    await writeFile(track, job.trackBytes(audioStem(audio.name)));
    const stream = String(plan.audio[index]!.streamIndex);
    expectSound(await decodeSound(path, stream, clock.zeroSeconds), await decodeSound(track, 'a:0', 0));
  }
  return { plan, source: pictures };
}

/** When the earliest of picture and sound begins on the file's own clock, as ffprobe tells it. */
async function sourceClock(path: string, videoIndex: number): Promise<{ zeroSeconds: number }> {
  const text = await ffprobe(['-show_entries', 'stream=index,codec_type,start_time', '-of', 'json', path]);
  type Stream = { index: number; codec_type?: string; start_time?: string };
  const { streams } = JSON.parse(text) as { streams: Stream[] };
  const meant = streams.filter(({ index, codec_type }) => index === videoIndex || codec_type === 'audio');
  return { zeroSeconds: Math.min(...meant.map(({ start_time }) => Number(start_time ?? 0))) };
}

/** The stream is as long as the source's pictures say, at the pace they have. */
function expectPace(file: string, { plan }: WholeJob, source: Picture[], declaredFps?: number | null): void {
  const fps = framesPerSecond(plan.fps);
  const lastSeconds = source.at(-1)!.seconds;
  const overhang = plan.totalFrames / fps - lastSeconds;
  // A picture of the middle of a variable rate lasts up to a second or so; no picture may be missing.
  expect(overhang).toBeGreaterThanOrEqual(-MISSING_AT_END_SECONDS);
  expect(overhang).toBeLessThan(2);
  if (!declaredFps || declaredFps > 60 || LOST_IN_DECODING[file]) return;
  expect(fps).toBeGreaterThan(declaredFps * 0.98);
}

async function expectDescription(track: string, { plan }: WholeJob, index: number): Promise<void> {
  const { width, height } = plan.renditions[index]!;
  const fields =
    'width,height,sample_aspect_ratio,field_order,avg_frame_rate,color_range,color_space,color_transfer,color_primaries,side_data_list';
  const { streams } = JSON.parse(await ffprobe(['-show_entries', `stream=${fields}`, '-of', 'json', track]));
  const { avg_frame_rate, ...stream } = streams[0];
  expect(stream).toEqual({
    width,
    height,
    sample_aspect_ratio: '1:1',
    field_order: 'progressive',
    color_range: 'tv',
    color_space: plan.color.matrix,
    color_transfer: expect.any(String),
    color_primaries: plan.color.primaries,
  });
  if (plan.source.isHdr) {
    expect(stream).toMatchObject({ color_space: 'bt709', color_transfer: 'bt709', color_primaries: 'bt709' });
  }
  const [num, den] = avg_frame_rate.split('/').map(Number);
  if (plan.totalFrames > 2) expect(num / den).toBeCloseTo(framesPerSecond(plan.fps), 2);
}

/** As many pictures as planned, one frame apart, decoded without a word of complaint. */
function expectEveryFrame({ plan }: WholeJob, { pictures, complaints }: Decoded): void {
  expect(complaints).toEqual([]);
  expect(pictures).toHaveLength(plan.totalFrames);
  const step = plan.fps.den / plan.fps.num;
  const first = pictures[0]!.seconds;
  const stray = pictures.findIndex(({ seconds }, frame) => Math.abs(seconds - first - frame * step) > 0.0001);
  expect(stray).toBe(-1);
}

/** Each picture is the source's picture of that moment, and no other way round, no earlier and no later. */
function expectLikeness({ plan }: WholeJob, source: Picture[], stored: Picture[]): void {
  const frameSeconds = plan.fps.den / plan.fps.num;
  const pictureAt = (seconds: number) =>
    source.findLast((picture) => picture.seconds <= seconds + frameSeconds / 2) ?? source[0]!;
  const step = Math.max(1, Math.floor(stored.length / SAMPLES));
  const sampled = stored.flatMap((picture, frame) =>
    frame % step === 0 ? [{ frame, picture, wanted: pictureAt(frame * frameSeconds) }] : [],
  );
  const mean = (of: (sample: (typeof sampled)[number]) => number) =>
    sampled.reduce((sum, sample) => sum + of(sample), 0) / sampled.length;

  const byTurn = TURNS.map((_, turn) =>
    mean(({ picture, wanted }) => distance(picture.pixels, turned(wanted.pixels, turn))),
  );
  // Tone mapping changes the contrast.
  expect(byTurn[0]).toBeLessThan(plan.source.isHdr ? 0.5 : 0.05);
  expect(TURNS[byTurn.indexOf(Math.min(...byTurn))]).toBe(TURNS[0]);

  const byShift = [-3, -2, -1, 0, 1, 2, 3].map((shift) =>
    mean(({ frame, wanted }) => distance((stored[frame + shift] ?? stored[frame]!).pixels, wanted.pixels)),
  );
  expect(byShift[3]).toBeLessThanOrEqual(Math.min(...byShift) + 0.0005);
}

/** The same sound at the same time, as long as it was. */
function expectSound(source: Int16Array, stored: Int16Array): void {
  expect(Math.abs(soundSeconds(stored) - soundSeconds(source))).toBeLessThan(0.1);
  const lag = lagSeconds(source, stored);
  if (!lag) return;
  expect(lag.likeness).toBeGreaterThan(0.9);
  // Where a container does not say how much priming to drop, 21 ms of it stay part of a copied track.
  expect(Math.abs(lag.seconds)).toBeLessThan(0.025);
}
