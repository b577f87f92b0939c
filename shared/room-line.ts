// Positions on a room's line in time, and what commands make of it. Pure, and without zod: pages load it.
import { SECOND_MS } from './limits.ts';
import type { RoomState } from './room-state.ts';

export type RoomChange =
  | { type: 'play' | 'pause'; positionSeconds?: number | undefined }
  | { type: 'seek'; positionSeconds: number }
  | { type: 'rate'; rate: number };

export function stateAtStart(nowMs: number): RoomState {
  return { positionSeconds: 0, atServerMs: nowMs, rate: 1, paused: true, revision: 0 };
}

/** Where the film is at a time of the room's clock; it stops at its end. */
export function positionAt(state: RoomState, serverMs: number, durationSeconds = Infinity): number {
  const { positionSeconds, atServerMs, rate, paused } = state;
  // A clock that is behind does not run the film backwards.
  const elapsedSeconds = paused ? 0 : Math.max(0, serverMs - atServerMs) / SECOND_MS;
  return Math.min(durationSeconds, positionSeconds + elapsedSeconds * rate);
}

/** What a command makes of the state. Where it names no position, the film goes on from where it is. */
export function changed(
  state: RoomState,
  change: RoomChange,
  nowMs: number,
  durationSeconds: number,
): RoomState {
  const here = positionAt(state, nowMs, durationSeconds);
  const wanted = 'positionSeconds' in change ? (change.positionSeconds ?? here) : here;
  return {
    positionSeconds: Math.min(wanted, durationSeconds),
    atServerMs: nowMs,
    rate: change.type === 'rate' ? change.rate : state.rate,
    paused: change.type === 'pause' || (change.type !== 'play' && state.paused),
    revision: state.revision + 1,
  };
}
