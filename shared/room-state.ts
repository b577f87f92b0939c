// How a room plays: one line in time that everybody computes the same position from. Pure.
import { z } from 'zod';
import { SECOND_MS } from './limits.ts';

export const MIN_RATE = 0.25;
export const MAX_RATE = 4;

/** A film of twelve hours, with room. */
const MAX_POSITION_SECONDS = 86_400;

export const PositionSeconds = z.number().min(0).max(MAX_POSITION_SECONDS);
export const PlayRate = z.number().min(MIN_RATE).max(MAX_RATE);

export const RoomState = z.object({
  /** Where the film was at `atServerMs`, by the room's clock. */
  positionSeconds: PositionSeconds,
  atServerMs: z.number(),
  rate: PlayRate,
  paused: z.boolean(),
  /** One more with every change. */
  revision: z.int().min(0),
});
export type RoomState = z.infer<typeof RoomState>;

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
