// The receipt of a job: what its output takes, what it is worth, and what it took to make. Pure.
import { measureBitrates } from '../../shared/bitrates.ts';
import type { ExtraEncoder } from '../../shared/encoder.ts';
import type { Plan, PlannedRendition } from '../../shared/plan.ts';
import type { Receipt, SampledSsim } from '../../shared/receipt.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import { finishedTracks, type JobFacts } from '../tracks.ts';

export function receiptOf(
  plan: Plan,
  facts: JobFacts,
  sample: { ssim: ReadonlyMap<string, SampledSsim>; cpuSeconds: number },
): Receipt {
  const { video, audio } = finishedTracks(plan, facts);
  const durationSeconds = frameSeconds(plan.totalFrames, plan.fps);
  const cpuOf = (tasks: JobFacts['chunks']) =>
    hundredths(tasks.reduce((sum, task) => sum + (task.cpuSeconds ?? 0), 0));
  const videoCpuSeconds = cpuOf(facts.chunks);
  const allEffort = plan.renditions.reduce((sum, rendition) => sum + effortOf(rendition), 0);
  const fixedBytes = (bps: number) => Math.round((bps * durationSeconds) / 8);

  const rungs = plan.renditions.map((rendition, index): Receipt['rungs'][number] => {
    const track = video[index]!;
    const ssim = sample.ssim.get(rendition.name);
    return {
      ...{ name: rendition.name, width: rendition.width, height: rendition.height },
      ...(rendition.encoder && { encoder: rendition.encoder }),
      sizeBytes: bytesOf(track),
      ...measureBitrates(track),
      maxBitrateBps: rendition.maxBitrateBps,
      ...(ssim && { ssim }),
      cpuShareSeconds: hundredths((videoCpuSeconds * effortOf(rendition)) / allEffort),
      fixedBitrateBytes: fixedBytes(rendition.maxBitrateBps),
    };
  });
  const needless = plan.trial?.rungs.filter(({ isKept }) => !isKept) ?? [];
  const fixedBitrateBytes = [...plan.renditions, ...needless].reduce(
    (sum, { maxBitrateBps }) => sum + fixedBytes(maxBitrateBps),
    0,
  );
  const videoBytes = rungs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    version: 1,
    encoder: plan.encoder.codec,
    preset: plan.encoder.preset,
    durationSeconds,
    cpuSeconds: {
      video: videoCpuSeconds,
      audio: cpuOf(facts.audio),
      sampling: hundredths(sample.cpuSeconds),
    },
    rungs,
    audioBytes: audio.reduce((sum, track) => sum + bytesOf(track), 0),
    fixedBitrateBytes,
    savedPercent: Math.round(1000 * (1 - videoBytes / fixedBitrateBytes)) / 10,
    ...(plan.trial && { trial: plan.trial }),
  };
}

/** CPU time of a picture, as many times that of libx264; medians of `npm run bench -- codecs`. */
const EFFORT: Record<ExtraEncoder, number> = { libx265: 3.1, libsvtav1: 1.7 };

function effortOf({ width, height, encoder }: PlannedRendition): number {
  return width * height * (encoder ? EFFORT[encoder] : 1);
}

function bytesOf({ inits, segments }: { inits: { sizeBytes: number }[]; segments: { sizeBytes: number }[] }) {
  return [inits[0]!, ...segments].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
