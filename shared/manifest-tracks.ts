// The tracks of a presentation as its manifests tell them: all that the HLS and DASH writers need, measured.
import { z } from 'zod';
import { Rational } from './timeline.ts';

/** Ticks are of the track's timescale. */
export const TimedSegment = z.object({
  sizeBytes: z.int(),
  startTicks: z.int(),
  durationTicks: z.int(),
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

export const VideoTrack = TrackTimeline.extend({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  fps: Rational,
});
export type VideoTrack = z.infer<typeof VideoTrack>;

export const AudioTrack = TrackTimeline.extend({
  name: z.string(),
  language: z.string(),
  label: z.string(),
  channels: z.int(),
  sampleRate: z.int(),
  isDefault: z.boolean(),
});
export type AudioTrack = z.infer<typeof AudioTrack>;

/** A WebVTT rendition: one file for the whole duration. */
export const SubtitleTrack = z.object({
  stem: z.string(),
  name: z.string(),
  language: z.string(),
  label: z.string(),
  isDefault: z.boolean(),
  isForced: z.boolean(),
});
export type SubtitleTrack = z.infer<typeof SubtitleTrack>;

/** Sheets of small pictures for scrubbing, each `columns` x `rows` tiles, one tile every `tileSeconds`. */
export const ImageTrack = z.object({
  stem: z.string(),
  tileWidth: z.int(),
  tileHeight: z.int(),
  columns: z.int(),
  rows: z.int(),
  tileSeconds: z.number(),
  tileCount: z.int(),
  bandwidthBps: z.int(),
});
export type ImageTrack = z.infer<typeof ImageTrack>;

/** Video and audio: smallest first. */
export const ManifestTracks = z.object({
  video: z.array(VideoTrack),
  audio: z.array(AudioTrack),
  subtitles: z.array(SubtitleTrack),
  images: ImageTrack.optional(),
});
export type ManifestTracks = z.infer<typeof ManifestTracks>;
