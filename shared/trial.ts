// What short trial encodes say of a ladder: rungs that would spend the same bytes on hardly more picture go.
import { z } from 'zod';

export const TriedRung = z.object({
  name: z.string(),
  maxBitrateBps: z.int(),
  averageBps: z.int().min(0),
  isKept: z.boolean(),
});
export type TriedRung = z.infer<typeof TriedRung>;

/** What the trial measured, all rungs of the ladder, smallest first. */
export const Trial = z.object({
  /** Runs of one GOP that were encoded, by their first frame. */
  windows: z.array(z.object({ firstFrame: z.int(), frames: z.int() })).min(1),
  rungs: z.array(TriedRung).min(1),
});
export type Trial = z.infer<typeof Trial>;

/** Two neighbours closer than this are one choice too many for a player. */
const MIN_BITRATE_RATIO = 1.1;

/**
 * Which rungs are worth having, by their measured bitrates, smallest rung first. Of two neighbours the lower goes where
 * the upper costs less than 1.1 times its bitrate; the top and the lowest always stay.
 */
export function pruneRungs(averageBps: readonly number[]): boolean[] {
  const top = averageBps.length - 1;
  const isKept = averageBps.map(() => true);
  let above = averageBps[top] ?? 0;
  for (let index = top - 1; index > 0; index--) {
    const own = averageBps[index]!;
    if (above < MIN_BITRATE_RATIO * own) isKept[index] = false;
    else above = own;
  }
  return isKept;
}

/**
 * Bits per second of whole GOPs, from the picture sizes at the beginning of some: the first is the key picture, which
 * a GOP has once, and the others stand for the rest.
 */
export function averageBpsOf(windows: readonly number[][], gopFrames: number, fps: number): number {
  const gopBytes = windows.map(([key = 0, ...rest]) => {
    const restBytes = rest.reduce((sum, size) => sum + size, 0);
    return key + (rest.length > 0 ? (restBytes * (gopFrames - 1)) / rest.length : 0);
  });
  const meanBytes = gopBytes.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, windows.length);
  return Math.round((meanBytes * 8 * fps) / gopFrames);
}
