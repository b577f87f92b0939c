// Frame rates as rationals and the frame-exact segment grid every rendition shares.
import { z } from 'zod';

/** Frames per second as a fraction: 30000/1001. */
export const Rational = z.object({ num: z.int().min(1), den: z.int().min(1) });
export type Rational = z.infer<typeof Rational>;

/** Output frame rates. Anything else snaps to one of them, never above 60. */
const FRAME_RATES: readonly Rational[] = [
  { num: 10, den: 1 },
  { num: 12, den: 1 },
  { num: 25, den: 2 },
  { num: 15, den: 1 },
  { num: 24000, den: 1001 },
  { num: 24, den: 1 },
  { num: 25, den: 1 },
  { num: 30000, den: 1001 },
  { num: 30, den: 1 },
  { num: 48, den: 1 },
  { num: 50, den: 1 },
  { num: 60000, den: 1001 },
  { num: 60, den: 1 },
];

export function framesPerSecond(fps: Rational): number {
  return fps.num / fps.den;
}

/**
 * The output rate for a measured one. A constant rate takes the nearest; a variable one takes the next rate
 * at or above its average, so that few pictures are dropped. Rates above 60 halve first when that lands near
 * a listed one (120 -> 60, 100 -> 50), else become 60.
 */
export function snapFrameRate(measuredFps: number, isVariable: boolean): Rational {
  let target = Number.isFinite(measuredFps) && measuredFps > 0 ? measuredFps : 25;
  while (target > 61) target /= 2;
  const nearest = FRAME_RATES.reduce((best, rate) =>
    Math.abs(framesPerSecond(rate) - target) < Math.abs(framesPerSecond(best) - target) ? rate : best,
  );
  // 0.05 % tells 29.97 from 30 apart and forgives the rounding of short clips.
  if (!isVariable || Math.abs(framesPerSecond(nearest) - target) / target < 0.0005) return nearest;
  return FRAME_RATES.find((rate) => framesPerSecond(rate) >= target) ?? nearest;
}

/** Media timescale, ticks per second, in which a frame is a whole number of ticks. */
export function timescaleOf(fps: Rational): number {
  return fps.den === 1001 ? fps.num : 90_000;
}

export function frameTicks(fps: Rational): number {
  return (timescaleOf(fps) * fps.den) / fps.num;
}

/** Presentation time of a frame, in seconds. */
export function frameSeconds(frame: number, fps: Rational): number {
  return (frame * fps.den) / fps.num;
}

export type Grid = { gopFrames: number; segmentFrames: number; segmentCount: number };

/** GOPs are about 2 s; a segment is a whole number of them. */
const GOP_SECONDS = 2;

/**
 * The segment grid: segment i starts at frame `i × segmentFrames` on every rendition. A last remainder below
 * half a GOP belongs to the segment before it.
 */
export function segmentGrid(frames: number, fps: Rational, segmentSeconds: number): Grid {
  const gopsPerSegment = Math.max(1, Math.round(segmentSeconds / GOP_SECONDS));
  const gopFrames = Math.max(1, Math.round((framesPerSecond(fps) * segmentSeconds) / gopsPerSegment));
  const segmentFrames = gopFrames * gopsPerSegment;
  const whole = Math.floor(frames / segmentFrames);
  const remainder = frames - whole * segmentFrames;
  const segmentCount = Math.max(1, whole + (remainder > 0 && remainder * 2 >= gopFrames ? 1 : 0));
  return { gopFrames, segmentFrames, segmentCount };
}

/** First frame (inclusive) and end (exclusive) of segment `index`. */
export function segmentFrameRange(
  index: number,
  grid: Grid,
  totalFrames: number,
): { firstFrame: number; endFrame: number } {
  const firstFrame = index * grid.segmentFrames;
  const endFrame = index === grid.segmentCount - 1 ? totalFrames : firstFrame + grid.segmentFrames;
  return { firstFrame, endFrame };
}

/** Chunk lengths in segments: short first, so that playing can start early, then 8 at a time. */
const CHUNK_RAMP = [1, 2, 4] as const;
const CHUNK_SEGMENTS = 8;

/** Splits `segmentCount` segments into runs; returns each run's first segment and length. */
export function chunkRuns(segmentCount: number): { firstSegment: number; segmentCount: number }[] {
  const runs: { firstSegment: number; segmentCount: number }[] = [];
  for (let first = 0; first < segmentCount; ) {
    const wanted = CHUNK_RAMP[runs.length] ?? CHUNK_SEGMENTS;
    const length = Math.min(wanted, segmentCount - first);
    runs.push({ firstSegment: first, segmentCount: length });
    first += length;
  }
  return runs;
}
