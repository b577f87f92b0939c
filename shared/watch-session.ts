// What is known of a session's watching, and what new events add to it and to its video's sums. Everything is a sum,
// a maximum or a set, so events may come in any order.
import { fromHex } from './sign.ts';
import { PROGRESS_SECONDS, playedSecondsOf, type WatchEvent } from './watch-api.ts';
import { bitsToHex, NOTHING_SEEN, noteSeqs, type SeenSeqs } from './watch-seen.ts';

/** Equal parts of a video that are told apart. */
export const PARTS = 100;
/** Played this far a video is watched to its end: credits are not waited for. */
const COMPLETED_SHARE = 0.95;

export type WatchSession = SeenSeqs & {
  events: number;
  watchedSeconds: number;
  maxPositionSeconds: number;
  /** Hex bitmap of the parts that were played. */
  covered: string;
  /** 0..1 */
  fraction: number;
  isView: boolean;
  isCompleted: boolean;
};

export type WatchDelta = {
  events: number;
  views: number;
  completions: number;
  watchedSeconds: number;
  fractions: number;
  /** Parts that this session had not played before: 0 or 1 each. */
  reached: number[];
  /** Seconds played of each part, repeats included. */
  played: number[];
};

export const UNWATCHED: WatchSession = {
  ...NOTHING_SEEN,
  ...{ events: 0, watchedSeconds: 0, maxPositionSeconds: 0, covered: '', fraction: 0 },
  ...{ isView: false, isCompleted: false },
};

export type Watched = {
  session: WatchSession;
  delta: WatchDelta;
  /** Those of the events that were not counted before. */
  fresh: WatchEvent[];
};

/** @param durationSeconds 0 where it is not known: then no part is told from another */
export function watch(before: WatchSession, events: readonly WatchEvent[], durationSeconds: number): Watched {
  const noted = noteSeqs(
    before,
    events.map(({ seq }) => seq),
  );
  const fresh = events.filter((_, index) => noted.fresh[index]);
  const session: WatchSession = { ...before, ...noted.seen, events: before.events + fresh.length };
  const covered = new Uint8Array(Math.ceil(PARTS / 8));
  covered.set(fromHex(before.covered));
  const reached = new Array<number>(PARTS).fill(0);
  const played = new Array<number>(PARTS).fill(0);
  for (const event of fresh) {
    const end =
      durationSeconds > 0 ? Math.min(event.positionSeconds, durationSeconds) : event.positionSeconds;
    const start = Math.max(0, end - playedSecondsOf(event));
    // Nothing before the beginning was played.
    session.watchedSeconds += end - start;
    session.maxPositionSeconds = Math.max(session.maxPositionSeconds, end);
    if (event.type === 'completed') session.isCompleted = true;
    if (durationSeconds > 0) play({ start, end }, durationSeconds / PARTS, { covered, reached, played });
  }
  session.covered = bitsToHex(covered);
  session.fraction = bitsIn(covered) / PARTS;
  // Of a video that is shorter than that, nearly all of it.
  const viewSeconds =
    durationSeconds > 0 ? Math.min(PROGRESS_SECONDS, 0.9 * durationSeconds) : PROGRESS_SECONDS;
  session.isView ||= session.watchedSeconds >= viewSeconds;
  session.isCompleted ||=
    durationSeconds > 0 && session.isView && session.maxPositionSeconds >= COMPLETED_SHARE * durationSeconds;
  return { session, fresh, delta: { ...difference(before, session), reached, played } };
}

type Parts = { covered: Uint8Array; reached: number[]; played: number[] };

function play(span: { start: number; end: number }, partSeconds: number, parts: Parts): void {
  for (let part = Math.floor(span.start / partSeconds); part < PARTS; part++) {
    const seconds = Math.min(span.end, (part + 1) * partSeconds) - Math.max(span.start, part * partSeconds);
    if (seconds <= 1e-9) break;
    parts.played[part]! += seconds;
    const mask = 1 << (part & 7);
    if ((parts.covered[part >> 3]! & mask) !== 0) continue;
    parts.covered[part >> 3]! |= mask;
    parts.reached[part] = 1;
  }
}

function difference(before: WatchSession, after: WatchSession): Omit<WatchDelta, 'reached' | 'played'> {
  return {
    events: after.events - before.events,
    views: Number(after.isView) - Number(before.isView),
    completions: Number(after.isCompleted) - Number(before.isCompleted),
    watchedSeconds: after.watchedSeconds - before.watchedSeconds,
    fractions: after.fraction - before.fraction,
  };
}

function bitsIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
