// Real files from upload to certificate. What was stored is decoded again and laid beside the source, which
// ffmpeg decodes by itself: size, frames, pace, turn, colours, and when picture and sound begin.
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { framesPerSecond } from '../../shared/timeline.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { failedChecks } from '../support/certified.ts';
import { expectLikeSource } from '../support/like-source.ts';
import { CORPUS, ffmpeg } from '../support/media.ts';
import type { Picture } from '../support/pictures.ts';
import { type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { JOB_PREFIX, runWholeJob, type WholeJob } from '../support/whole-job.ts';
import { type CorpusFile, LOST_IN_DECODING, REFUSALS, readCorpus } from './corpus-expectations.ts';

const PIECE_SECONDS = 12;
/** Pictures lost to damage at the very end are held from the one before; see LOST_IN_DECODING. */
const MISSING_AT_END_SECONDS = 0.01;
const all = readCorpus();
const accepted = all.filter(({ file }) => !REFUSALS[file]);
const isLong = ({ ffprobe: { duration_s } }: CorpusFile) =>
  (duration_s ?? 0) > 2 * PIECE_SECONDS && duration_s! < 1e5;

let scratch: Scratch;
let server: StreamServer;
beforeAll(async () => {
  [scratch, server] = await Promise.all([createScratch('corpus'), startStreamServer()]);
});
afterAll(async () => {
  await Promise.all([scratch[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
});

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
  expect(await faultsOf(job)).toEqual([]);

  const source = await expectLikeSource(path, job);
  expectPace(file, job, source, manifest.video?.[0]?.fps_avg);
  return { plan, source };
}

/** What a stranger's look at the stream finds. */
async function faultsOf({ r2 }: WholeJob): Promise<string[]> {
  const ours = [...r2.objects].filter(([key]) => key.startsWith(JOB_PREFIX));
  const files = ours.map(([key, bytes]) => [key.slice(JOB_PREFIX.length), { bytes }] as const);
  return await failedChecks(server, new Map(files));
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
