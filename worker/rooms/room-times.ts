// When a room looks after itself. It sleeps between these times.
import { HOUR_SECONDS, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { HEARTBEAT_SECONDS } from '../../shared/room-heartbeat.ts';
import type { RoomState } from '../../shared/room-state.ts';
import type { StoredRoom } from './room-store.ts';

/** A member who is silent for four heartbeats has gone. */
export const SILENT_MS = 4 * HEARTBEAT_SECONDS * SECOND_MS;
const LOOK_AROUND_MS = 30 * SECOND_MS;
/** A host whose connection broke is back within this, or somebody else is host. */
const HOST_GRACE_MS = 15 * SECOND_MS;
/** An empty room is kept for those who come back. */
const EMPTY_KEPT_MS = 15 * MINUTE_SECONDS * SECOND_MS;
/** A film that stands still for this long is not being watched. */
const IDLE_MS = 2 * HOUR_SECONDS * SECOND_MS;

type Times = Pick<StoredRoom, 'hostAwayMs' | 'emptyMs' | 'state' | 'durationSeconds'>;

export function overdue(room: Times, nowMs: number): { host: boolean; empty: boolean; idle: boolean } {
  return {
    host: room.hostAwayMs !== undefined && room.hostAwayMs + HOST_GRACE_MS <= nowMs,
    empty: room.emptyMs !== undefined && room.emptyMs + EMPTY_KEPT_MS <= nowMs,
    idle: restsFromMs(room.state, room.durationSeconds) + IDLE_MS <= nowMs,
  };
}

/** @param hasMembers somebody is there to be looked after */
export function nextVisitMs(room: Times, hasMembers: boolean, nowMs: number): number {
  const times = [
    hasMembers ? nowMs + LOOK_AROUND_MS : undefined,
    // Without members there is nobody to be host.
    hasMembers && room.hostAwayMs !== undefined ? room.hostAwayMs + HOST_GRACE_MS : undefined,
    room.emptyMs === undefined ? undefined : room.emptyMs + EMPTY_KEPT_MS,
  ];
  return Math.max(nowMs, Math.min(...times.filter((time) => time !== undefined)));
}

/** Since when the film stands still, or will. */
function restsFromMs(
  { paused, atServerMs, positionSeconds, rate }: RoomState,
  durationSeconds: number,
): number {
  if (paused) return atServerMs;
  return atServerMs + (Math.max(0, durationSeconds - positionSeconds) / rate) * SECOND_MS;
}
