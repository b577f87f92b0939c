// What short trial encodes say of a ladder: rungs that would spend the same bytes on hardly more picture go.
import { z } from 'zod';

/** What the trial measured, all rungs of the ladder, smallest first. */
export const Trial = z.object({
  /** Runs of one GOP that were encoded, by their first frame. */
  windows: z.array(z.object({ firstFrame: z.int(), frames: z.int() })).min(1),
  rungs: z.array(z.object({ name: z.string(), averageBps: z.int().min(0), isKept: z.boolean() })).min(1),
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
