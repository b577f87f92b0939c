// How like its source each rung looks, on a few pictures here and there of what is stored. A look at some costs some
// hundredths of the encoding; a look at all would cost as much again. No figures are no failure of the job.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { errorFields } from '../../shared/log.ts';
import { videoStem } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import type { SampledSsim } from '../../shared/receipt.ts';
import { framesPerSecond, segmentFrameRange } from '../../shared/timeline.ts';
import { encryptionOf } from '../encryption.ts';
import type { FrameRun } from '../ffmpeg/args.ts';
import { startFfmpeg } from '../ffmpeg/run.ts';
import { type RungSample, readSsimStats, ssimCommand } from '../ffmpeg/ssim-args.ts';
import { createSegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';

type SampleContext = Pick<
  TaskContext,
  'claim' | 'r2' | 'contentKey' | 'source' | 'scratch' | 'limits' | 'signal' | 'threads' | 'log'
>;

export type QualitySample = {
  /** By rendition name; empty where sampling failed. */
  ssim: ReadonlyMap<string, SampledSsim>;
  cpuSeconds: number;
};

/** One place per so much film. */
const SECONDS_PER_SAMPLE = 20;
const MAX_SAMPLES = 3;
/** Of the film's pictures at most, all samples together; but a sample has at least so many. */
const MAX_SHARE = 0.04;
const MIN_FRAMES = 8;
/** Compared out of one sample. */
const PICTURES_PER_SAMPLE = 8;
/** Longer than any honest comparison takes. */
const WALL_SECONDS = 120;

export type SamplePlace = FrameRun & { segment: number };

/** The beginnings of some segments, spread over the film. */
export function samplePlaces(plan: Plan): SamplePlace[] {
  const seconds = plan.totalFrames / framesPerSecond(plan.fps);
  const wanted = Math.max(1, Math.min(MAX_SAMPLES, Math.floor(seconds / SECONDS_PER_SAMPLE)));
  // Without an index a place far into the film is reached by decoding all before it.
  const count = plan.source.isSeekable ? Math.min(wanted, plan.segmentCount) : 1;
  const share = Math.max(MIN_FRAMES, Math.floor((plan.totalFrames * MAX_SHARE) / count));
  return Array.from({ length: count }, (_, index) => {
    const segment = plan.source.isSeekable
      ? Math.floor((plan.segmentCount * (2 * index + 1)) / (2 * count))
      : 0;
    const { firstFrame, endFrame } = segmentFrameRange(segment, plan, plan.totalFrames);
    return {
      segment,
      firstFrame,
      endFrame: Math.min(endFrame, firstFrame + Math.min(plan.gopFrames, share)),
    };
  });
}

export async function sampleQuality(context: SampleContext, plan: Plan): Promise<QualitySample> {
  const values = new Map<string, number[]>(plan.renditions.map(({ name }) => [name, []]));
  let cpuSeconds = 0;
  try {
    for (const place of samplePlaces(plan)) {
      const sample = await comparePlace(context, plan, place);
      cpuSeconds += sample.cpuSeconds;
      for (const [name, found] of sample.values) values.get(name)?.push(...found);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.warn('quality.not_sampled', errorFields(error));
    return { ssim: new Map(), cpuSeconds };
  }
  const ssim = [...values]
    .filter(([, found]) => found.length > 0)
    .map(([name, found]): [string, SampledSsim] => [name, summaryOf(found)]);
  return { ssim: new Map(ssim), cpuSeconds };
}

function summaryOf(values: number[]): SampledSsim {
  const round = (value: number) => Math.round(value * 1e5) / 1e5;
  const sum = values.reduce((total, value) => total + value, 0);
  return { mean: round(sum / values.length), worst: round(Math.min(...values)), pictures: values.length };
}

async function comparePlace(
  context: SampleContext,
  plan: Plan,
  place: SamplePlace,
): Promise<{ values: Map<string, number[]>; cpuSeconds: number }> {
  const { claim, r2, source, scratch, limits, signal, threads, log } = context;
  const encryption = encryptionOf(context, plan.protection);
  const store = createSegmentStore(r2, claim.job.outputPrefix, log, encryption);
  const rungs: RungSample[] = [];
  for (const rendition of plan.renditions) {
    const stem = videoStem(rendition.name);
    const path = scratch.path(`sample-${rendition.name}.mp4`);
    const parts = await Promise.all([store.clearInit(stem), store.clearSegment(stem, place.segment)]);
    await writeFile(path, Buffer.concat(parts));
    rungs.push({ rendition, path, statsName: `ssim-${rendition.name}.log` });
  }
  const everyFrames = Math.ceil((place.endFrame - place.firstFrame) / PICTURES_PER_SAMPLE);
  const command = ssimCommand(plan, { url: source.url, threads }, place, everyFrames, rungs);
  const run = startFfmpeg(command, {
    directory: scratch.directory,
    limits: { ...limits, wallSeconds: Math.min(limits.wallSeconds, WALL_SECONDS) },
    signal,
  });
  const { cpuSeconds } = await run.done;
  const values = new Map<string, number[]>();
  for (const { rendition, path, statsName } of rungs) {
    values.set(rendition.name, readSsimStats(await readFile(scratch.path(statsName), 'utf8')));
    await Promise.all([path, scratch.path(statsName)].map((file) => rm(file, { force: true })));
  }
  return { values, cpuSeconds };
}
