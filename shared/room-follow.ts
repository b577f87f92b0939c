// How a member's picture is brought to the room's position: a little faster or slower where it is near, a jump where
// it is not. Pure.

/** Beyond this nobody waits for a drift to be made up. */
export const SEEK_BEYOND_SECONDS = 1;
/** Below it there is nothing to correct: clocks and media clocks are no better than that. */
const GOOD_ENOUGH_SECONDS = 0.015;
/** Speech stays speech within five per cent. */
const MAX_NUDGE = 0.05;
/** A tenth of a second calls for the whole nudge, and is gone in two. */
const NUDGE_PER_SECOND = 0.5;
/** A rate that changes by less is not changed: some browsers fall silent for a moment each time. */
const RATE_STEP = 0.005;

export type Correction = { playbackRate: number; seekTo?: number };

export type Following = {
  /** Where the room is now. */
  targetSeconds: number;
  currentSeconds: number;
  /** The room's. */
  rate: number;
  /** Until a seek shows pictures; the jump leads by as much. */
  seekSeconds: number;
};

/** For a film that runs. */
export function follow({ targetSeconds, currentSeconds, rate, seekSeconds }: Following): Correction {
  const drift = currentSeconds - targetSeconds;
  if (Math.abs(drift) >= SEEK_BEYOND_SECONDS * Math.max(1, rate)) {
    return { playbackRate: rate, seekTo: targetSeconds + seekSeconds * rate };
  }
  if (Math.abs(drift) <= GOOD_ENOUGH_SECONDS) return { playbackRate: rate };
  const nudge = Math.max(-MAX_NUDGE, Math.min(MAX_NUDGE, -drift * NUDGE_PER_SECOND));
  const factor = 1 + Math.round(nudge / RATE_STEP) * RATE_STEP;
  return { playbackRate: Number((rate * factor).toFixed(4)) };
}
