// EXT-X-TARGETDURATION of a job's playlists. One number for all tracks and for the whole life of a list, growing
// or finished: it may not change (RFC 8216 §6.2.1), and Apple's tools want it equal on all renditions.
import { AUDIO_STUB_SECONDS } from './audio-cuts.ts';
import type { PlannedInstant } from './plan-instant.ts';
import { frameSeconds, type Grid, type Rational, segmentFrameRange } from './timeline.ts';

/** An AAC frame at the lowest rate that is written, and then some. */
const LONGEST_AUDIO_FRAME_SECONDS = 0.05;

type Timeline = Grid & { fps: Rational; totalFrames: number; audio: readonly unknown[] };

/** Whole seconds that no segment of the plan can exceed. */
export function targetSeconds(plan: Timeline): number {
  const last = segmentFrameRange(plan.segmentCount - 1, plan, plan.totalFrames);
  const frames = plan.segmentCount > 1 ? plan.segmentFrames : 0;
  const longestPicture = frameSeconds(Math.max(frames, last.endFrame - last.firstFrame), plan.fps);
  // Sound is cut near the grid, and its last piece may hold a stub of the next.
  const longestSound = frameSeconds(plan.segmentFrames, plan.fps) + AUDIO_STUB_SECONDS;
  const sound = plan.audio.length > 0 ? longestSound + LONGEST_AUDIO_FRAME_SECONDS : 0;
  return Math.ceil(Math.max(longestPicture, sound));
}

export function instantTargetSeconds({ video, audio }: PlannedInstant): number {
  const longest = [video, ...(audio ? [audio] : [])].flatMap(({ segments, timescale }) =>
    segments.map(({ durationTicks }) => durationTicks / timescale),
  );
  return Math.ceil(longest.reduce((most, seconds) => Math.max(most, seconds), 0));
}
