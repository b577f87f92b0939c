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
  /** Whether places are told by sound, as where there are no pictures. */
  isSound?: boolean;
  segmentMs?: number;
  rung?: string;
  /** First request for a segment. */
  firstSegmentMs?: number;
  /** Where the player was known to be last. */
  atMs?: number;
  positionMs?: number;
  segment?: number;
  isStarved?: boolean;
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
/** With this much buffered a player that has not begun is waiting for its viewer, not for bytes. */
const FULL_ENOUGH_MS = 15_000;
/** `bl` is rounded to 100 ms and requests are not sent the moment they could be. */
const SEEK_MS = 3000;
/** What players want before they begin; Media3's `bufferForPlaybackMs`. */
const BEGIN_WITH_MS = 1000;
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
    if (state && record.atMs <= state.lastMs && record.atMs <= (before?.lastMs ?? -1)) {
      sums.late++;
      continue;
    }
    state ??= { firstMs: record.atMs, lastMs: record.atMs };
    state.lastMs = Math.max(state.lastMs, record.atMs);
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
  if (segment === undefined || !leads(state, record)) return;
  if (record.bitrateKbps !== undefined) {
    sums.bitrateKbps += record.bitrateKbps;
    sums.bitrates++;
  }
  if (record.bufferMs !== undefined) {
    sums.bufferMs += record.bufferMs;
    sums.buffers++;
  }
  if (record.rung !== undefined) {
    if (state.rung !== undefined && state.rung !== record.rung) sums.switches++;
    state.rung = record.rung;
  }
  // All segments but the last are of one length.
  if (record.durationMs !== undefined) state.segmentMs = Math.max(state.segmentMs ?? 0, record.durationMs);
  if (state.firstSegmentMs === undefined) {
    state.firstSegmentMs = record.atMs;
    if (segment > 0) state.isUntold = true;
  } else follow(state, { ...record, segment }, sums);
  state.segment = segment;
  addEnd(state, record, sums, durationMs);
}

/** Pictures tell the place; sound only where there are none. */
function leads(state: QoeState, record: CmcdRecord): boolean {
  if (record.rung !== undefined) {
    if (state.isSound) for (const key of PLACE) delete state[key];
    state.isSound = false;
    return true;
  }
  if (!record.isSound || state.isSound === false) return false;
  state.isSound = true;
  return true;
}

const PLACE = ['segmentMs', 'firstSegmentMs', 'atMs', 'positionMs', 'segment'] as const;

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
  if (!hasSought) {
    sums.playMs += Math.max(0, movedMs);
    // Without a dry buffer the viewer has paused.
    if (state.isStarved) {
      sums.stallMs += Math.max(0, Math.round(passedMs - movedMs));
      sums.stalls++;
    }
  }
  settle(state, record, positionMs);
}

function settle(state: QoeState, record: CmcdRecord, positionMs: number): void {
  state.atMs = record.atMs;
  state.positionMs = positionMs;
  // A stall that goes on while the next segment is asked for ends in the next interval.
  state.isStarved = Boolean(record.isStarved && record.isUrgent);
}

function begin(state: QoeState, record: CmcdRecord, positionMs: number, sums: QoeSums): void {
  if (state.isUntold) {
    // In the middle of a video the first place is known once something is buffered.
    if ((record.bufferMs ?? 0) > 0) settle(state, record, positionMs);
    return;
  }
  if (positionMs < LEAST_PLAYED_MS) {
    if ((record.bufferMs ?? 0) >= FULL_ENOUGH_MS) state.isUntold = true;
    return;
  }
  let begunMs = record.atMs - positionMs / (record.rate || 1);
  if (state.isStarved) {
    // It has begun and stalled in between: begun with what players begin with, as fast as the first segment came.
    const loadMs = record.atMs - state.firstSegmentMs!;
    const shareToBegin = Math.min(1, BEGIN_WITH_MS / state.segmentMs!);
    const earliestMs = state.firstSegmentMs! + shareToBegin * loadMs;
    const stallMs = Math.max(0, begunMs - earliestMs);
    sums.stallMs += Math.round(stallMs);
    sums.stalls++;
    begunMs -= stallMs;
  }
  state.startupMs = Math.round(
    Math.max(0, begunMs - state.firstMs) + CONNECT_ROUND_TRIPS * (state.roundTripMs ?? 0),
  );
  sums.playMs += positionMs;
  settle(state, record, positionMs);
}

/** After the last segment nothing is asked for any more: what is buffered then is played, as far as we know. */
function addEnd(state: QoeState, record: CmcdRecord, sums: QoeSums, durationMs: number): void {
  const { segmentMs, segment, hasEnded, positionMs } = state;
  if (hasEnded || positionMs === undefined || !durationMs || segmentMs === undefined || segment === undefined)
    return;
  if (segment * segmentMs + (record.durationMs ?? segmentMs) < durationMs - 500) return;
  sums.playMs += Math.max(0, durationMs - positionMs);
  state.hasEnded = true;
}
