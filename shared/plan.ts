// The plan of a job: everything that will be made of a source. Every number later work relies on (frames,
// segments, chunks, keys) follows from it alone.
import { z } from 'zod';
import { EncoderPreset } from './api.ts';
import { Color } from './color.ts';
import { LadderRow } from './ladder.ts';
import { Rational, segmentFrameRange } from './timeline.ts';

export const PlannedRendition = z.object({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  /** Constant rate factor under the cap: quality when there is room, the cap when there is not. */
  crf: z.int(),
  maxBitrateBps: z.int(),
  bufferBits: z.int(),
});
export type PlannedRendition = z.infer<typeof PlannedRendition>;

export const PlannedAudio = z.object({
  name: z.string(),
  streamIndex: z.int(),
  language: z.string(),
  label: z.string(),
  channels: z.int(),
  bitrateBps: z.int(),
  /** AAC-LC stereo is taken over as it is. */
  isCopied: z.boolean(),
  isDefault: z.boolean(),
});
export type PlannedAudio = z.infer<typeof PlannedAudio>;

export const PlannedChunk = z.object({
  index: z.int(),
  firstSegment: z.int(),
  segmentCount: z.int(),
});
export type PlannedChunk = z.infer<typeof PlannedChunk>;

export const Plan = z.object({
  version: z.literal(1),
  source: z.object({
    demuxer: z.string(),
    videoStreamIndex: z.int(),
    /** Without an index the source is decoded from its start by one task. */
    isSeekable: z.boolean(),
    /** Size of the pictures as they are coded; a recording may change it on the way. */
    codedWidth: z.int(),
    codedHeight: z.int(),
    isRotated: z.boolean(),
    isInterlaced: z.boolean(),
    isHdr: z.boolean(),
    /** What the container's own clock shows at the source's time zero. */
    zeroSeconds: z.number().optional(),
    durationSeconds: z.number(),
  }),
  display: z.object({ width: z.int(), height: z.int() }),
  color: Color,
  fps: Rational,
  /** Ticks per second of the video tracks. */
  timescale: z.int(),
  totalFrames: z.int().min(1),
  gopFrames: z.int().min(1),
  segmentFrames: z.int().min(1),
  segmentCount: z.int().min(1),
  segmentSeconds: z.number(),
  chunks: z.array(PlannedChunk).min(1),
  renditions: z.array(PlannedRendition).min(1),
  audio: z.array(PlannedAudio),
  encoder: z.object({ codec: z.literal('libx264'), preset: EncoderPreset }),
  poster: z.object({ atSeconds: z.number() }),
});
export type Plan = z.infer<typeof Plan>;

/** What may be chosen per video or per deployment. */
export const PlanOptions = z.object({
  ladder: z.array(LadderRow).min(1).optional(),
  segmentSeconds: z.number().default(6),
  preset: EncoderPreset.default('veryfast'),
});
export type PlanOptions = z.infer<typeof PlanOptions>;

/** Pre-roll before a chunk's first frame, so that the `fps` filter sees the picture before it. */
export const SEEK_MARGIN_SECONDS = 1;

/** Frames of a chunk: first (inclusive) and end (exclusive). */
export function chunkFrameRange(plan: Plan, chunk: PlannedChunk): { firstFrame: number; endFrame: number } {
  const first = segmentFrameRange(chunk.firstSegment, plan, plan.totalFrames);
  const last = segmentFrameRange(chunk.firstSegment + chunk.segmentCount - 1, plan, plan.totalFrames);
  return { firstFrame: first.firstFrame, endFrame: last.endFrame };
}
