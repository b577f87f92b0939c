// What a source is, as the probe found it. Headers are hearsay; these numbers come from packets.
import { z } from 'zod';
import { Chapter } from './chapters.ts';
import { AudioPurpose } from './manifest-tracks.ts';
import { Rational } from './timeline.ts';

/** Times are seconds from the source's own time zero: the earliest start of its video and audio. */
export const SourceVideo = z.object({
  /** Index of the stream in the file, as ffmpeg counts (`0:{index}`). */
  streamIndex: z.int().min(0),
  codec: z.string(),
  codedWidth: z.int(),
  codedHeight: z.int(),
  /** Sample aspect ratio; 1/1 where the file says nothing. */
  sar: Rational,
  /** Clockwise turn a player must apply. */
  rotationDegrees: z.union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)]),
  /** Shown mirrored left to right, before it is turned. */
  isMirrored: z.boolean().optional(),
  pixelFormat: z.string(),
  /** Colour tags in ffprobe's names, absent where the file has none. */
  colorPrimaries: z.string().optional(),
  colorTransfer: z.string().optional(),
  colorMatrix: z.string().optional(),
  isInterlaced: z.boolean(),
  startSeconds: z.number(),
  /** From the first picture's start to the last picture's end. */
  durationSeconds: z.number(),
  /** Pictures per second over the whole. */
  averageFps: z.number(),
  /** Pictures per second where the steps are ordinary, leaving out gaps and bursts. */
  typicalFps: z.number().optional(),
  isVariableFrameRate: z.boolean(),
});
export type SourceVideo = z.infer<typeof SourceVideo>;

export const SourceAudio = z.object({
  streamIndex: z.int().min(0),
  codec: z.string(),
  profile: z.string().optional(),
  channels: z.int().min(1),
  sampleRate: z.int(),
  /** BCP 47 or ISO 639; `und` where unknown. */
  language: z.string(),
  label: z.string().optional(),
  isDefault: z.boolean(),
  startSeconds: z.number(),
  durationSeconds: z.number(),
  /** Absent for the sound of the film itself. */
  purpose: AudioPurpose.optional(),
});
export type SourceAudio = z.infer<typeof SourceAudio>;

/** A stream of subtitles as text; others are only counted. */
export const SourceSubtitle = z.object({
  streamIndex: z.int().min(0),
  codec: z.string(),
  /** BCP 47 or ISO 639; `und` where unknown. */
  language: z.string(),
  label: z.string().optional(),
  isDefault: z.boolean(),
  isForced: z.boolean(),
  /** For people who cannot hear: they tell of sounds as well. */
  isCaptions: z.boolean(),
});
export type SourceSubtitle = z.infer<typeof SourceSubtitle>;

export const SourceInfo = z.object({
  /** Demuxer name forced on ffmpeg with `-f`, told from magic bytes. */
  demuxer: z.string(),
  sizeBytes: z.int(),
  streamCount: z.int(),
  /** What the container's own clock shows at the source's time zero. */
  zeroSeconds: z.number().optional(),
  durationSeconds: z.number(),
  video: SourceVideo,
  audio: z.array(SourceAudio),
  subtitles: z.array(SourceSubtitle).optional(),
  /** Streams of subtitles that are pictures, or text nobody here can read. */
  unreadableSubtitles: z.int().optional(),
  chapters: z.array(Chapter).optional(),
  /** Key frame times of the video, ascending; absent where the container has no index to seek by. */
  keyFrameSeconds: z.array(z.number()).optional(),
});
export type SourceInfo = z.infer<typeof SourceInfo>;
