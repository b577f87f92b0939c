// Watch events as players send them: what one is, and which are taken. A wrong event is counted and left out; it
// never costs the others of its request.
import { z } from 'zod';
import { DAY_SECONDS, KIB, MINUTE_SECONDS, SECOND_MS } from './limits.ts';

export const WATCH_BODY_LIMIT_BYTES = 64 * KIB;
export const MAX_WATCH_EVENTS = 400;
export const PROGRESS_SECONDS = 10;

export const WatchEventType = z.enum([
  'started',
  'progress',
  'paused',
  'seeked',
  'completed',
  'error',
  'quality',
]);
export type WatchEventType = z.infer<typeof WatchEventType>;

/** Numbers are judged apart from shapes, so that an answer can say what was wrong with them. */
export const WatchEvent = z.object({
  /** Counts the events of a session from 0; an event sent again keeps its number. */
  seq: z.int().min(0).max(1_000_000),
  type: WatchEventType,
  /** Where in the video. */
  positionSeconds: z.number(),
  /** When, Unix milliseconds of the player's clock. */
  atMs: z.number(),
  /** Media played up to `positionSeconds` that no other event tells of; 10 where a `progress` does not say. */
  playedSeconds: z.number().optional(),
  /** Of `started`: from the viewer's wish to the first frame. It replaces what is estimated. */
  startupMs: z.number().optional(),
});
export type WatchEvent = z.infer<typeof WatchEvent>;

export const WatchRequest = z.object({
  sessionId: z.string().min(1).max(128),
  /** The playback token, for pages that cannot set a header as they close. */
  token: z.string().min(1).max(4096).optional(),
  events: z.array(z.unknown()).min(1).max(MAX_WATCH_EVENTS),
});
export type WatchRequest = z.infer<typeof WatchRequest>;

export const RefusalReason = z.enum(['malformed', 'negative', 'enormous', 'future', 'late']);
export type RefusalReason = z.infer<typeof RefusalReason>;

export const WatchAnswer = z.object({
  accepted: z.int(),
  /** Among the accepted: those with a number that was cut down to the largest possible. */
  clipped: z.int(),
  refused: z.int(),
  reasons: z.partialRecord(RefusalReason, z.int()),
});
export type WatchAnswer = z.infer<typeof WatchAnswer>;

/** A player's clock may be ahead by this much. */
const MAX_AHEAD_MS = 5 * MINUTE_SECONDS * SECOND_MS;
/** What a player kept while it was offline. */
const MAX_AGE_MS = DAY_SECONDS * SECOND_MS;
const MAX_POSITION_SECONDS = 7 * DAY_SECONDS;
/** Six times the interval of progress: a page in the background is woken once a minute. */
const MAX_PLAYED_SECONDS = MINUTE_SECONDS;
const MAX_STARTUP_MS = 10 * MINUTE_SECONDS * SECOND_MS;

/** What is taken of `events` at `nowMs`, and what a player is told of the others. */
export function judgeEvents(
  events: readonly unknown[],
  nowMs: number,
): { taken: WatchEvent[]; answer: WatchAnswer } {
  const taken: WatchEvent[] = [];
  const reasons: Partial<Record<RefusalReason, number>> = {};
  let clipped = 0;
  for (const raw of events) {
    const parsed = WatchEvent.safeParse(raw);
    const reason = parsed.success ? refusalOf(parsed.data, nowMs) : 'malformed';
    if (reason !== undefined) reasons[reason] = (reasons[reason] ?? 0) + 1;
    if (!parsed.success || reason !== undefined) continue;
    const { event, isClipped } = clip(parsed.data, nowMs);
    if (isClipped) clipped++;
    taken.push(event);
  }
  const refused = events.length - taken.length;
  return { taken, answer: { accepted: taken.length, clipped, refused, reasons } };
}

function refusalOf(event: WatchEvent, nowMs: number): RefusalReason | undefined {
  const { positionSeconds, atMs, playedSeconds = 0, startupMs = 0 } = event;
  if (positionSeconds < 0 || playedSeconds < 0 || startupMs < 0) return 'negative';
  if (positionSeconds > MAX_POSITION_SECONDS) return 'enormous';
  if (atMs > nowMs + MAX_AHEAD_MS) return 'future';
  if (atMs < nowMs - MAX_AGE_MS) return 'late';
  return undefined;
}

function clip(event: WatchEvent, nowMs: number): { event: WatchEvent; isClipped: boolean } {
  const clipped = { ...event, atMs: Math.min(event.atMs, nowMs) };
  if (event.playedSeconds !== undefined)
    clipped.playedSeconds = Math.min(event.playedSeconds, MAX_PLAYED_SECONDS);
  if (event.startupMs !== undefined) clipped.startupMs = Math.min(event.startupMs, MAX_STARTUP_MS);
  const isClipped =
    clipped.playedSeconds !== event.playedSeconds ||
    clipped.startupMs !== event.startupMs ||
    clipped.atMs !== event.atMs;
  return { event: clipped, isClipped };
}

/** Media seconds that an event tells of. */
export function playedSecondsOf({ type, playedSeconds }: WatchEvent): number {
  return playedSeconds ?? (type === 'progress' ? PROGRESS_SECONDS : 0);
}
