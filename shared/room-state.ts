// How a room plays: one line in time that everybody computes the same position from (room-line.ts).
import { z } from 'zod';

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
