// Lays what a job stored beside its source, which ffmpeg decodes by itself: every rung and every sound track.
import { writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { audioStem, videoStem } from '../../shared/object-keys.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { ffmpeg, ffprobe } from './media.ts';
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
} from './pictures.ts';
import type { WholeJob } from './whole-job.ts';

/** Pictures of a stream that are laid beside the source's. */
const SAMPLES = 24;

/** Answers with the source's pictures, their times counted from its time zero. */
export async function expectLikeSource(path: string, job: WholeJob): Promise<Picture[]> {
  const { plan, presentation } = job;
  await using scratch = await createScratch('like-source');
  const { zeroSeconds } = await sourceClock(path, plan.source.videoStreamIndex);
  expect(Math.abs(plan.source.zeroSeconds! - zeroSeconds)).toBeLessThan(0.003);
  const source = await decodePictures(path, String(plan.source.videoStreamIndex));
  const pictures = source.pictures.map((one) => ({ ...one, seconds: one.seconds - zeroSeconds }));
  for (const [index, rendition] of plan.renditions.entries()) {
    const track = scratch.path('picture.mp4');
    await writeFile(track, job.trackBytes(videoStem(rendition.name)));
    await expectDescription(track, job, index);
    const decoded = await decodePictures(track);
    expectEveryFrame(job, decoded);
    expectLikeness(job, pictures, decoded.pictures);
  }
  for (const { name } of presentation.audio) {
    const track = scratch.path('sound.mp4');
    await writeFile(track, job.trackBytes(audioStem(name)));
    const { streamIndex, packedFromSeconds, silentUntilSeconds } = plan.audio.find(
      (audio) => audio.name === name,
    )!;
    let sound = () => decodeSound(path, String(streamIndex), zeroSeconds);
    if (packedFromSeconds !== undefined) {
      // ffmpeg hears a fifth of it unless it is in a file of its own form.
      const own = scratch.path('sound.amr');
      await ffmpeg(['-i', path, '-map', `0:${streamIndex}`, '-c', 'copy', own]);
      sound = () => decodeSound(own, 'a:0', -packedFromSeconds);
    }
    expectSound(await sound(), await decodeSound(track, 'a:0', 0), silentUntilSeconds);
  }
  return pictures;
}

/** When the earliest of picture and sound begins on the file's own clock, as ffprobe tells it. */
async function sourceClock(path: string, videoIndex: number): Promise<{ zeroSeconds: number }> {
  const text = await ffprobe(['-show_entries', 'stream=index,codec_type,start_time', '-of', 'json', path]);
  type Stream = { index: number; codec_type?: string; start_time?: string };
  const { streams } = JSON.parse(text) as { streams: Stream[] };
  const meant = streams.filter(({ index, codec_type }) => index === videoIndex || codec_type === 'audio');
  return { zeroSeconds: Math.min(...meant.map(({ start_time }) => Number(start_time ?? 0))) };
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

/** The same sound at the same time, as long as it was, or as the silence that follows it is to last. */
function expectSound(source: Int16Array, stored: Int16Array, untilSeconds = soundSeconds(source)): void {
  expect(Math.abs(soundSeconds(stored) - untilSeconds)).toBeLessThan(0.1);
  const lag = lagSeconds(source, stored);
  if (!lag) return;
  expect(lag.likeness).toBeGreaterThan(0.9);
  // Where a container does not say how much priming to drop, 21 ms of it stay part of a copied track.
  expect(Math.abs(lag.seconds)).toBeLessThan(0.025);
}
