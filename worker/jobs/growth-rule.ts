// When a video may be watched while it is being made, and how much of it is shown. Pure.
import type { TaskState } from '../../shared/states.ts';

export type GrowthTask = {
  kind: 'chunk' | 'audio' | 'instant';
  idx: number;
  segments: number;
  /** Contiguous durable segments. */
  mark: number;
  state: TaskState;
  /** Unix seconds of the first attempt. */
  startedAt: number | null;
  finishedAt: number | null;
};

/** Contiguous segments from the first on that are durable on every track, of how many. */
export type Prefix = { segments: number; total: number; isWhole: boolean };

/** A player's first buffer, and what RFC 8216 §6.3.3 wants before the end of a list. */
const MIN_SEGMENTS = 3;
/** Below it a rate says more about how long ffmpeg takes to start than about how fast it is. */
const MIN_MEASURED_SEGMENTS = 2;

export function earlyPrefix(tasks: readonly GrowthTask[]): Prefix {
  const chunks = chunksOf(tasks);
  const total = sum(chunks.map((chunk) => chunk.segments));
  const firstOpen = chunks.findIndex(({ mark, segments }) => mark < segments);
  const durable = firstOpen === -1 ? chunks : chunks.slice(0, firstOpen + 1);
  const audio = tasks.filter((task) => task.kind === 'audio').map(durableAudio);
  const segments = Math.min(sum(durable.map((chunk) => chunk.mark)), ...audio);
  return {
    segments,
    total,
    isWhole: total > 0 && segments === total && audio.every((mark) => mark === Infinity),
  };
}

export function instantPrefixOf(tasks: readonly GrowthTask[]): Prefix {
  const task = tasks.find(({ kind }) => kind === 'instant');
  if (!task) return { segments: 0, total: 0, isWhole: false };
  return { segments: task.mark, total: task.segments, isWhole: task.mark >= task.segments };
}

// Only the last segment of a track does not end where the plan says. While there may be more, the last one that
// is durable may be that one.
function durableAudio({ mark, state }: GrowthTask): number {
  return state === 'done' ? Number.POSITIVE_INFINITY : Math.max(0, mark - 1);
}

/** Enough to begin with. */
export function canBegin({ segments, total }: Prefix): boolean {
  return total > 0 && segments >= Math.min(MIN_SEGMENTS, total);
}

/**
 * Whether the ladder may be announced while it grows: viewers who begin now must not catch up with the encoder.
 *
 * @param segmentSeconds what one segment lasts
 */
export function canAnnounceEarly(tasks: readonly GrowthTask[], now: number, segmentSeconds: number): boolean {
  const prefix = earlyPrefix(tasks);
  if (!canBegin(prefix) || encodingSpeed(tasks, now, segmentSeconds) < 1) return false;
  return prefix.isWhole || prefix.segments >= MIN_SEGMENTS + leadOf(tasks, now, segmentSeconds);
}

/**
 * Seconds of video that come to the prefix per second: the best rate held from the start of any chunk until now.
 * The first chunk's start alone would count the time its transcoder has spent on the sound since.
 */
export function encodingSpeed(tasks: readonly GrowthTask[], now: number, segmentSeconds: number): number {
  const { segments } = earlyPrefix(tasks);
  let speed = 0;
  let first = 0;
  for (const chunk of chunksOf(tasks)) {
    const gained = segments - first;
    const isMeasured = gained >= Math.min(MIN_MEASURED_SEGMENTS, segments) && gained > 0;
    if (chunk.startedAt !== null && isMeasured) {
      speed = Math.max(speed, (gained * segmentSeconds) / Math.max(1, now - chunk.startedAt));
    }
    first += chunk.segments;
  }
  return speed;
}

/**
 * Segments to have in hand where several transcoders, each slower than real time, are fast enough together:
 * the prefix then moves at the pace of one of them until its chunk is done.
 */
function leadOf(tasks: readonly GrowthTask[], now: number, segmentSeconds: number): number {
  const begun = chunksOf(tasks).filter((chunk) => chunk.startedAt !== null && chunk.mark > 0);
  const workSeconds = sum(begun.map((chunk) => Math.max(1, (chunk.finishedAt ?? now) - chunk.startedAt!)));
  const rate = (sum(begun.map((chunk) => chunk.mark)) * segmentSeconds) / workSeconds;
  const longestChunk = Math.max(...chunksOf(tasks).map((chunk) => chunk.segments));
  return rate >= 1 ? 0 : Math.ceil(longestChunk * (1 / rate - 1));
}

/** How much of a growing list is shown: `segments` at `at`, then one more every `dripSeconds`. */
export type Shown = { segments: number; at: number; dripSeconds: number };

/** Slightly faster than it is watched, so that players gain a buffer. */
const MAX_PACE = 1.25;
/** Of the speed; the rest becomes a reserve. */
const PACE_SHARE = 0.8;

export function firstShown(
  { segments, total }: Prefix,
  now: number,
  speed: number,
  segmentSeconds: number,
): Shown {
  const pace = Math.min(MAX_PACE, Math.max(1, PACE_SHARE * speed));
  return { segments: Math.min(MIN_SEGMENTS, segments, total), at: now, dripSeconds: segmentSeconds / pace };
}

/** Segments that a list shows now. It never shows fewer later on, whatever happens. */
export function shownAt({ segments, at, dripSeconds }: Shown, prefix: Prefix, now: number): number {
  if (prefix.isWhole) return prefix.segments;
  return Math.min(prefix.segments, segments + Math.floor(Math.max(0, now - at) / dripSeconds));
}

/**
 * What the list holds from now on, where the reserve has become larger than it need be; undefined where nothing
 * changes. The reserve is what the list feeds on while a lease that nobody renews runs out.
 */
export function releaseReserve(
  shown: Shown,
  prefix: Prefix,
  now: number,
  reserveSeconds: number,
): Shown | undefined {
  const reserve = Math.ceil(reserveSeconds / shown.dripSeconds);
  const released = prefix.segments - reserve;
  if (released <= shownAt(shown, prefix, now)) return undefined;
  return { ...shown, segments: released, at: now };
}

function chunksOf(tasks: readonly GrowthTask[]): GrowthTask[] {
  return tasks.filter(({ kind }) => kind === 'chunk').sort((a, b) => a.idx - b.idx);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
