// How a session plays, told from its requests alone: no player says when its first picture came, but each request
// for a segment says how much is buffered (`bl`), and with the segment's place in the video that is where the player
// is. While it plays, the time minus that place is constant: the moment playing began. What it grows by when the
// buffer has run dry (`bs`) is a stall. Pure: the same records give the same sums, in whatever batches they come.
import type { CmcdRecord } from './cmcd-record.ts';

/** What is remembered of a session between two batches; stored as JSON. */
export type QoeState = {
  /** Of the latest record; older ones come too late. */
  lastMs: number;
  firstMs: number;
  roundTripMs?: number;
  /** What came at `lastMs`. */
  lastKeys: string[];
  /** Length of a segment; of sound, where there are no pictures, the mean of those asked for. */
  segmentMs?: number;
  soundSegments?: number;
  rung?: string;
  /** First request for a segment. */
  firstSegmentMs?: number;
  /** Latest request at which it had not begun. */
  notBegunMs?: number;
  /** Where the player was known to be last. */
  atMs?: number;
  positionMs?: number;
  bufferMs?: number;
  isStarved?: boolean;
  /** A stall may not have ended by then. */
  isStalling?: boolean;
  /** It began in the middle, or waited with a full buffer: when playing began cannot be told. */
  isUntold?: boolean;
  startupMs?: number;
  hasEnded?: boolean;
};

export type QoeSums = {
  requests: number;
  late: number;
  playMs: number;
  stallMs: number;
  stalls: number;
  switches: number;
  bitrateKbps: number;
  bitrates: number;
  throughputKbps: number;
  throughputs: number;
  bufferMs: number;
  buffers: number;
};

export const NO_SUMS: QoeSums = {
  ...{ requests: 0, late: 0, playMs: 0, stallMs: 0, stalls: 0, switches: 0 },
  ...{ bitrateKbps: 0, bitrates: 0, throughputKbps: 0, throughputs: 0, bufferMs: 0, buffers: 0 },
};

/** Below this a player may not have begun: the first segment is in, and its first picture not yet out. */
const LEAST_PLAYED_MS = 150;
/** One that asks for more for so long and has not begun is waiting for its viewer, not for bytes. */
const LONGEST_FILLING_MS = 30_000;
/** `bl` is rounded to 100 ms and requests are not sent the moment they could be. */
const SEEK_MS = 3000;
/** What players want before they begin; Media3's `bufferForPlaybackMs`. */
const BEGIN_WITH_MS = 1000;
/** And before they go on after a stall, with what `bl` is rounded by. */
const GO_ON_WITH_MS = 2500;
/** A new connection costs two round trips (TCP, TLS 1.3) before its first request, one in use none. */
const CONNECT_ROUND_TRIPS = 1;

/** @param durationMs of the video; 0 where it is not known */
export function estimate(
  before: QoeState | undefined,
  records: readonly CmcdRecord[],
  durationMs: number,
): { state: QoeState | undefined; sums: QoeSums } {
  const sums = { ...NO_SUMS };
  let state = before && { ...before };
  for (const record of records.toSorted((a, b) => a.atMs - b.atMs)) {
    const key = [record.rung, record.segment, record.bitrateKbps].join();
    const isLate = state && record.atMs < state.lastMs;
    if (state && (isLate || (record.atMs === state.lastMs && state.lastKeys.includes(key)))) {
      sums.late++;
      continue;
    }
    state ??= { firstMs: record.atMs, lastMs: record.atMs, lastKeys: [] };
    state.lastKeys = record.atMs === state.lastMs ? [...state.lastKeys, key] : [key];
    state.lastMs = record.atMs;
    add(state, record, sums, durationMs);
  }
  return { state, sums };
}

function add(state: QoeState, record: CmcdRecord, sums: QoeSums, durationMs: number): void {
  sums.requests++;
  if (record.roundTripMs !== undefined) state.roundTripMs ??= record.roundTripMs;
  if (record.throughputKbps !== undefined) {
    sums.throughputKbps += record.throughputKbps;
    sums.throughputs++;
  }
  if (record.isStarved) state.isStarved = true;
  const { segment } = record;
  if (segment === undefined) return;
  if (record.rung !== undefined) addPicture(state, record, sums);
  learnLength(state, record);
  if (state.firstSegmentMs === undefined) {
    state.firstSegmentMs = record.atMs;
    if (segment > 0) state.isUntold = true;
  } else follow(state, { ...record, segment }, sums);
  addEnd(state, { ...record, segment }, sums, durationMs);
}

function addPicture(state: QoeState, record: CmcdRecord, sums: QoeSums): void {
  if (record.bitrateKbps !== undefined) {
    sums.bitrateKbps += record.bitrateKbps;
    sums.bitrates++;
  }
  if (record.bufferMs !== undefined) {
    sums.bufferMs += record.bufferMs;
    sums.buffers++;
  }
  if (state.rung !== undefined && state.rung !== record.rung) sums.switches++;
  state.rung = record.rung;
}

/** Pictures' segments are of one length but the last, and those of sound lie on the same grid. */
function learnLength(state: QoeState, { rung, durationMs }: CmcdRecord): void {
  if (durationMs === undefined) return;
  if (rung !== undefined) {
    const known = state.soundSegments === undefined ? state.segmentMs : undefined;
    state.segmentMs = Math.max(known ?? 0, durationMs);
    delete state.soundSegments;
  } else if (state.rung === undefined) {
    const count = (state.soundSegments ?? 0) + 1;
    state.segmentMs = (state.segmentMs ?? 0) + (durationMs - (state.segmentMs ?? 0)) / count;
    state.soundSegments = count;
  }
}

function follow(state: QoeState, record: CmcdRecord & { segment: number }, sums: QoeSums): void {
  const { segmentMs } = state;
  if (segmentMs === undefined || record.bufferMs === undefined) return;
  const positionMs = record.segment * segmentMs - record.bufferMs;
  if (state.positionMs === undefined || state.atMs === undefined) {
    begin(state, record, positionMs, sums);
    return;
  }
  const passedMs = (record.atMs - state.atMs) * (record.rate || 1);
  const movedMs = positionMs - state.positionMs;
  const hasSought = movedMs > passedMs + SEEK_MS || movedMs < -SEEK_MS;
  if (hasSought) {
    // The place where it was left is not told: what was buffered was played up to then, or it was still waited for.
    if (state.isStalling) sums.stallMs += Math.round(passedMs);
    else sums.playMs += Math.min(passedMs, state.bufferMs ?? 0);
    forgetPlace(state);
    if (record.bufferMs > 0) settle(state, record, positionMs, false);
    return;
  }
  sums.playMs += Math.max(0, movedMs);
  // Without a dry buffer the viewer has paused.
  const isInStall = Boolean(state.isStarved || state.isStalling);
  if (isInStall) sums.stallMs += Math.max(0, Math.round(passedMs - movedMs));
  if (state.isStarved) sums.stalls++;
  // Sound is asked for while pictures are waited for: a stall goes on until the place moves again, or there are
  // pictures enough to go on with.
  const goesOn = isInStall && (state.isStarved || movedMs < LEAST_PLAYED_MS);
  settle(state, record, positionMs, Boolean(goesOn && !canGoOn(record)));
}

function canGoOn({ rung, bufferMs = 0 }: CmcdRecord): boolean {
  return rung !== undefined && bufferMs >= GO_ON_WITH_MS;
}

function settle(state: QoeState, record: CmcdRecord, positionMs: number, isStalling: boolean): void {
  state.atMs = record.atMs;
  state.positionMs = positionMs;
  state.bufferMs = record.bufferMs ?? 0;
  state.isStarved = false;
  state.isStalling = isStalling;
}

/** Where a player goes on after a seek is not known before it has something of it. */
function forgetPlace(state: QoeState): void {
  delete state.atMs;
  delete state.positionMs;
  state.isStarved = false;
  state.isStalling = false;
}

function begin(
  state: QoeState,
  record: CmcdRecord & { segment: number },
  positionMs: number,
  sums: QoeSums,
): void {
  if (state.isUntold || state.startupMs !== undefined) {
    // In the middle of a video the place is known once something is buffered.
    if ((record.bufferMs ?? 0) > 0) settle(state, record, positionMs, false);
    return;
  }
  if (positionMs < LEAST_PLAYED_MS) {
    if (record.atMs - state.firstSegmentMs! > LONGEST_FILLING_MS) state.isUntold = true;
    state.notBegunMs = record.atMs;
    return;
  }
  let begunMs = record.atMs - positionMs / (record.rate || 1);
  if (state.isStarved) {
    // It has begun and stalled in between: begun with what players begin with, loaded as fast as all that is in. Of
    // pictures that are waited for there is what was played, and about half of what it takes to go on.
    const loadedMs = record.rung ? record.segment * state.segmentMs! : positionMs + GO_ON_WITH_MS / 2;
    const loadMs = record.atMs - state.firstSegmentMs!;
    const earliestMs = Math.max(
      state.firstSegmentMs! + Math.min(1, BEGIN_WITH_MS / loadedMs) * loadMs,
      state.notBegunMs ?? 0,
    );
    const stallMs = Math.max(0, begunMs - earliestMs);
    sums.stallMs += Math.round(stallMs);
    sums.stalls++;
    begunMs -= stallMs;
  }
  state.startupMs = Math.round(
    Math.max(0, begunMs - state.firstMs) + CONNECT_ROUND_TRIPS * (state.roundTripMs ?? 0),
  );
  sums.playMs += positionMs;
  settle(state, record, positionMs, Boolean(state.isStarved && !canGoOn(record)));
}

/** After the last segment nothing is asked for any more: what is buffered then is played, as far as we know. */
function addEnd(
  state: QoeState,
  record: CmcdRecord & { segment: number },
  sums: QoeSums,
  durationMs: number,
): void {
  const { segmentMs, hasEnded, positionMs } = state;
  if (hasEnded || positionMs === undefined || !durationMs || segmentMs === undefined) return;
  // Sound is loaded ahead of the pictures that decide.
  if (record.rung === undefined && state.rung !== undefined) return;
  if (record.segment * segmentMs + (record.durationMs ?? segmentMs) < durationMs - 500) return;
  sums.playMs += Math.max(0, durationMs - positionMs);
  state.hasEnded = true;
}
