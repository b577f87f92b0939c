// The tracks of a presentation as its manifests tell them: all that the HLS and DASH writers need, measured.
import { z } from 'zod';
import { PlannedProtection } from './protection.ts';
import { SubtitleInfo } from './subtitle-api.ts';
import { Rational } from './timeline.ts';

/** From a fragment's moof through its first sample, within the segment. */
export const KeyRange = z.object({ offsetBytes: z.int().min(0), sizeBytes: z.int().min(1) });
export type KeyRange = z.infer<typeof KeyRange>;

/** Ticks are of the track's timescale. */
export const TimedSegment = z.object({
  sizeBytes: z.int(),
  startTicks: z.int(),
  durationTicks: z.int(),
  /** Of each key picture (video): when it is decoded and where its bytes lie, in the same order. */
  keyTicks: z.array(z.int()).optional(),
  keyRanges: z.array(KeyRange).optional(),
});
export type TimedSegment = z.infer<typeof TimedSegment>;

export const TrackTimeline = z.object({
  stem: z.string(),
  timescale: z.int(),
  /** RFC 6381. */
  codecs: z.string(),
  segments: z.array(TimedSegment),
});
export type TrackTimeline = z.infer<typeof TrackTimeline>;

/** Seconds of the longest track; 0 where there is none. */
export function longestSeconds(tracks: readonly Pick<TrackTimeline, 'segments' | 'timescale'>[]): number {
  const seconds = tracks.map(
    ({ segments, timescale }) =>
      segments.reduce((ticks, { durationTicks }) => ticks + durationTicks, 0) / timescale,
  );
  return Math.max(0, ...seconds);
}

export const VideoTrack = TrackTimeline.extend({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  fps: Rational,
});
export type VideoTrack = z.infer<typeof VideoTrack>;

/** What sound beside the film's own is for. */
export const AudioPurpose = z.enum(['commentary', 'description']);
export type AudioPurpose = z.infer<typeof AudioPurpose>;

export const AudioTrack = TrackTimeline.extend({
  name: z.string(),
  language: z.string(),
  label: z.string(),
  channels: z.int(),
  sampleRate: z.int(),
  isDefault: z.boolean(),
  purpose: AudioPurpose.optional(),
  /** Name of the stereo track that this one is the surround version of. */
  surroundOf: z.string().optional(),
});
export type AudioTrack = z.infer<typeof AudioTrack>;

/** A WebVTT rendition: one file, `{stem}.vtt`, for the whole duration. */
export const SubtitleTrack = SubtitleInfo.omit({ origin: true }).extend({
  stem: z.string(),
  sizeBytes: z.int(),
});
export type SubtitleTrack = z.infer<typeof SubtitleTrack>;

/** Sheets of small pictures for scrubbing, each `columns` x `rows` tiles, one tile every `tileTicks`. */
export const ImageTrack = z.object({
  stem: z.string(),
  tileWidth: z.int(),
  tileHeight: z.int(),
  columns: z.int(),
  rows: z.int(),
  timescale: z.int(),
  tileTicks: z.int(),
  tileCount: z.int(),
  sheetCount: z.int(),
  bandwidthBps: z.int(),
});
export type ImageTrack = z.infer<typeof ImageTrack>;

/** Video and audio: smallest first. */
export const ManifestTracks = z.object({
  video: z.array(VideoTrack),
  audio: z.array(AudioTrack),
  subtitles: z.array(SubtitleTrack),
  images: ImageTrack.optional(),
  /** Absent where everything is clear. */
  protection: PlannedProtection.optional(),
});
export type ManifestTracks = z.infer<typeof ManifestTracks>;
