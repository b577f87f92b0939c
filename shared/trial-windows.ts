// Which pictures of a film a trial encodes: few enough to cost little, spread enough to say something.
import { type Plan, SEEK_MARGIN_SECONDS } from './plan.ts';
import { framesPerSecond } from './timeline.ts';
import type { Trial } from './trial.ts';

/** Pixels of all rungs in one window: 11 pictures of a 720p ladder, which take two cores about 0.4 s. */
const WINDOW_PIXELS = 18_000_000;
const MIN_WINDOW_FRAMES = 8;
const MAX_WINDOWS = 3;
/** Of the film's frames; below it a trial costs more than it can save. */
const MAX_SHARE = 0.05;

export type TrialWindow = Trial['windows'][number];

type Encodable = Pick<Plan, 'fps' | 'totalFrames' | 'gopFrames' | 'renditions'>;

/**
 * Runs of frames to try, spread over the film; none for a short film or a short ladder. Each follows a key frame of
 * the source at the distance that a seek keeps anyway, so that next to nothing is decoded in vain.
 */
export function trialWindows(
  { fps, totalFrames, gopFrames, renditions }: Encodable,
  keyFrameSeconds: readonly number[],
): TrialWindow[] {
  if (renditions.length < 3) return []; // the top and the lowest stay anyway
  const pixels = renditions.reduce((sum, { width, height }) => sum + width * height, 0);
  const frames = Math.min(gopFrames, Math.max(MIN_WINDOW_FRAMES, Math.round(WINDOW_PIXELS / pixels)));
  const count = Math.min(MAX_WINDOWS, Math.floor((totalFrames * MAX_SHARE) / frames));
  const starts = keyFrameSeconds
    .map((seconds) => Math.ceil((seconds + SEEK_MARGIN_SECONDS) * framesPerSecond(fps)))
    .filter((frame) => frame + frames <= totalFrames);
  const chosen = Array.from({ length: count }, (_, index) => {
    const wanted = (totalFrames * (2 * index + 1)) / (2 * count);
    return nearest(starts, wanted);
  }).filter((frame) => frame !== undefined);
  return [...new Set(chosen)].map((firstFrame) => ({ firstFrame, frames }));
}

function nearest(values: readonly number[], wanted: number): number | undefined {
  const distance = (value: number) => Math.abs(value - wanted);
  return values.reduce<number | undefined>(
    (best, value) => (best === undefined || distance(value) < distance(best) ? value : best),
    undefined,
  );
}
