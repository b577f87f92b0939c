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

/** Measured rates this close to a listed one are it: short clips and millisecond clocks round. */
const SAME_RATE = 0.02;
const HIGHEST_FPS = 60;
/** A rate above the highest is thinned evenly (120 -> 60, 144 -> 48) where the result still looks smooth. */
const SMOOTH_FPS = 48;

/**
 * The output rate for a measured one: the listed rate it is, else the next one above, so that no picture is
 * dropped. Rates above 60 are divided by a whole number where that lands on a listed rate, else become 60.
 */
export function snapFrameRate(measuredFps: number): Rational {
  const target = Number.isFinite(measuredFps) && measuredFps > 0 ? measuredFps : 25;
  const divisors = target <= HIGHEST_FPS * (1 + SAME_RATE) ? [1] : [2, 3, 4, 5];
  for (const divisor of divisors) {
    const rate = listedRate(target / divisor);
    if (rate && (divisor === 1 || framesPerSecond(rate) >= SMOOTH_FPS)) return rate;
  }
  return FRAME_RATES.find((rate) => framesPerSecond(rate) >= target) ?? FRAME_RATES.at(-1)!;
}

function listedRate(fps: number): Rational | undefined {
  const distance = (rate: Rational) => Math.abs(framesPerSecond(rate) - fps) / fps;
  const nearest = FRAME_RATES.reduce((best, rate) => (distance(rate) < distance(best) ? rate : best));
  return distance(nearest) <= SAME_RATE ? nearest : undefined;
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
