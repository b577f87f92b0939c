// The plan of a job: everything that will be made of a source. Every number later work relies on (frames,
// segments, chunks, keys) follows from it alone.
import { z } from 'zod';
import { Chapter } from './chapters.ts';
import { Color } from './color.ts';
import { EncoderPreset, ExtraEncoder, VideoEncoder } from './encoder.ts';
import { ExtraRung, LadderRow } from './ladder.ts';
import { Loudness } from './loudness.ts';
import { AudioPurpose } from './manifest-tracks.ts';
import { PlannedInstant } from './plan-instant.ts';
import { PlannedThumbnails } from './plan-thumbnails.ts';
import { KeyRotationSegments, PlannedProtection, Protection } from './protection.ts';
import { Rational, segmentFrameRange } from './timeline.ts';
import { Trial } from './trial.ts';
import { Warning } from './warnings.ts';

export const PlannedRendition = z.object({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  /** Constant rate factor under the cap: quality when there is room, the cap when there is not. */
  crf: z.int(),
  maxBitrateBps: z.int(),
  bufferBits: z.int(),
  /** Of a rung beside the ladder; absent where it is the plan's own. */
  encoder: ExtraEncoder.optional(),
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
  /** Of sound that ends before the pictures: where the silence ends that is put after it. */
  silentUntilSeconds: z.number().optional(),
  /** Start of a track whose samples hold several frames each, which must be taken apart first. */
  packedFromSeconds: z.number().optional(),
  purpose: AudioPurpose.optional(),
  /** Name of the stereo rendition that this one is the surround version of. */
  surroundOf: z.string().optional(),
});
export type PlannedAudio = z.infer<typeof PlannedAudio>;

export const PlannedSubtitle = z.object({
  name: z.string(),
  streamIndex: z.int(),
  codec: z.string(),
  language: z.string(),
  label: z.string(),
  isDefault: z.boolean(),
  isForced: z.boolean(),
  isCaptions: z.boolean(),
});
export type PlannedSubtitle = z.infer<typeof PlannedSubtitle>;

export const PlannedChunk = z.object({
  index: z.int(),
  firstSegment: z.int(),
  segmentCount: z.int(),
});
export type PlannedChunk = z.infer<typeof PlannedChunk>;

export const Plan = z.object({
  version: z.literal(1),
  /** No pictures: neither chunks nor renditions, and `fps` is only the clock that segments are cut by. */
  isAudioOnly: z.boolean().optional(),
  source: z.object({
    demuxer: z.string(),
    videoStreamIndex: z.int(),
    /** Without an index the source is decoded from its start by one task. */
    isSeekable: z.boolean(),
    /** Size of the pictures as they are coded; a recording may change it on the way. */
    codedWidth: z.int(),
    codedHeight: z.int(),
    /** Clockwise turn of the coded pictures, after they are mirrored left to right where they are to be. */
    rotationDegrees: z.int(),
    isMirrored: z.boolean(),
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
  chunks: z.array(PlannedChunk),
  /** The ladder, smallest first, then the rungs of other encoders. */
  renditions: z.array(PlannedRendition),
  audio: z.array(PlannedAudio),
  /** Where the source can be played by a copy before anything is encoded. */
  instant: PlannedInstant.optional(),
  /** EBU R128 integrated loudness that all sound is brought to; absent where it stays as it is. */
  loudnessLufs: z.number().optional(),
  subtitles: z.array(PlannedSubtitle).optional(),
  chapters: z.array(Chapter).optional(),
  /** What of the source is left out, in sentences for a person. */
  warnings: z.array(Warning).optional(),
  encoder: z.object({ codec: VideoEncoder, preset: EncoderPreset }),
  /** Absent where everything is clear. */
  protection: PlannedProtection.optional(),
  /** Absent where no trial was made: too short, not seekable, or playable at once as it is. */
  trial: Trial.optional(),
  poster: z.object({ atSeconds: z.number() }),
  /** Absent where there are no pictures. */
  thumbnails: PlannedThumbnails.optional(),
});
export type Plan = z.infer<typeof Plan>;

/** What may be chosen per video or per deployment. */
export const PlanOptions = z.object({
  ladder: z.array(LadderRow).min(1).optional(),
  extraRungs: z.array(ExtraRung).optional(),
  segmentSeconds: z.number().default(6),
  preset: EncoderPreset.default('veryfast'),
  loudness: Loudness.nullable().optional(),
  encoder: VideoEncoder.optional(),
  /** Whether a file that holds only sound is published as such, rather than refused. */
  audioOnly: z.boolean().optional(),
  protection: Protection.optional(),
  keyRotationSegments: KeyRotationSegments.optional(),
});
export type PlanOptions = z.infer<typeof PlanOptions>;

/** Pre-roll before a chunk's first frame, so that the `fps` filter sees the picture before it. */
export const SEEK_MARGIN_SECONDS = 1;

/** The plan with its H.264 ladder alone, which everything plays. */
export function ladderAlone(plan: Plan): Plan {
  return { ...plan, renditions: plan.renditions.filter(({ encoder }) => encoder === undefined) };
}

/** Frames of a chunk: first (inclusive) and end (exclusive). */
export function chunkFrameRange(plan: Plan, chunk: PlannedChunk): { firstFrame: number; endFrame: number } {
  const first = segmentFrameRange(chunk.firstSegment, plan, plan.totalFrames);
  const last = segmentFrameRange(chunk.firstSegment + chunk.segmentCount - 1, plan, plan.totalFrames);
  return { firstFrame: first.firstFrame, endFrame: last.endFrame };
}
