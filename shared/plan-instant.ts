// The timeline of a rendition that is copied from the source instead of encoded: known in full before a byte of
// it is copied, so that its playlists can be written at once.
import { z } from 'zod';
import { Rational } from './timeline.ts';

/** Decode times, back to back from 0, in ticks of the track's timescale. */
export const InstantSegment = z.object({ startTicks: z.int().min(0), durationTicks: z.int().min(1) });
export type InstantSegment = z.infer<typeof InstantSegment>;

export const InstantVideo = z.object({
  name: z.string(),
  timescale: z.int(),
  /** RFC 6381. */
  codecs: z.string(),
  width: z.int(),
  height: z.int(),
  fps: Rational,
  /** Of the largest segment, and over all of them. */
  peakBps: z.int(),
  averageBps: z.int(),
  /** Each begins with a key picture. */
  segments: z.array(InstantSegment).min(1),
});
export type InstantVideo = z.infer<typeof InstantVideo>;

export const InstantAudio = z.object({
  name: z.string(),
  timescale: z.int(),
  codecs: z.string(),
  channels: z.int(),
  language: z.string(),
  label: z.string(),
  /** Measured where the track is copied, a ceiling where it is encoded. */
  bandwidthBps: z.int(),
  /** As many as the sound takes: fewer or more than the video's. */
  segments: z.array(InstantSegment).min(1),
});
export type InstantAudio = z.infer<typeof InstantAudio>;

export const PlannedInstant = z.object({ video: InstantVideo, audio: InstantAudio.optional() });
export type PlannedInstant = z.infer<typeof PlannedInstant>;

/** Marks of the `instant` task: segment i of each track that has one is durable below mark i + 1. */
export function instantSegmentCount({ video, audio }: PlannedInstant): number {
  return Math.max(video.segments.length, audio?.segments.length ?? 0);
}
