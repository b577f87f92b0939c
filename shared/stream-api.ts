// Media over a WebSocket: the JSON messages beside its frames (stream-frame.ts).
import { z } from 'zod';
import { KIB, MIB } from './limits.ts';
import { PositionSeconds } from './room-state.ts';

/** Bytes of frames that may be granted or on their way and not yet read, at most. */
export const STREAM_WINDOW_BYTES = 2 * MIB;
/** A frame is not sent in pieces smaller than this for want of credit. */
export const LEAST_FRAME_BYTES = 4 * KIB;
export const MAX_STREAM_MESSAGE_CHARS = 4096;
export const STREAM_SILENCE_SECONDS = 60;

const TrackName = z.string().min(1).max(64);

export const StreamCommand = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('start'),
      video: TrackName.optional(),
      audio: TrackName.optional(),
      positionSeconds: PositionSeconds.default(0),
    })
    .strict(),
  z.object({ type: z.literal('seek'), positionSeconds: PositionSeconds }).strict(),
  z.object({ type: z.literal('switch'), video: TrackName.optional(), audio: TrackName.optional() }).strict(),
  z.object({ type: z.enum(['pause', 'resume']) }).strict(),
  z
    .object({
      type: z.literal('credit'),
      bytes: z.int().min(0).max(STREAM_WINDOW_BYTES),
      /** Of the last frame that was read. */
      mark: z.int().min(0).max(0xffff_ffff).optional(),
    })
    .strict(),
  /** A renewed token of the same session. */
  z.object({ type: z.literal('token'), token: z.string().min(1).max(2048) }).strict(),
]);
export type StreamCommand = z.infer<typeof StreamCommand>;

export type StreamVideo = {
  name: string;
  width: number;
  height: number;
  codecs: string;
  bandwidthBps: number;
};
export type StreamAudio = { name: string; language: string; label: string; codecs: string };

export type StreamMessage =
  | {
      type: 'ready';
      durationSeconds: number;
      windowBytes: number;
      video: StreamVideo[];
      audio: StreamAudio[];
      /** Common Encryption: frames come as they are stored, and the session's licence opens them. */
      protection?: { scheme: 'cenc'; keyId: string };
    }
  /** What comes from here on, and from where: the key frame at or before what was asked for. */
  | { type: 'at'; epoch: number; positionSeconds: number; video?: string; audio?: string }
  | { type: 'end'; epoch: number }
  | { type: 'error'; code: string; detail: string };
