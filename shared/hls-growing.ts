// HLS playlists of what is not finished: written from the plan of a job instead of measured bytes, a segment
// longer whenever one more is shown. The finished lists say the same of the same segments. Pure.
import { type AudioClock, audioCut } from './audio-cuts.ts';
import { masterPlaylist, segmentMicroseconds } from './hls.ts';
import { keyLine } from './hls-keys.ts';
import type { AudioTrack, TrackTimeline, VideoTrack } from './manifest-tracks.ts';
import { audioStem, initName, segmentName, videoStem } from './object-keys.ts';
import type { Plan, PlannedAudio, PlannedRendition } from './plan.ts';
import type { InstantSegment, PlannedInstant } from './plan-instant.ts';
import type { PlannedProtection } from './protection.ts';
import { frameSeconds, frameTicks, segmentFrameRange } from './timeline.ts';

/** Sample tables and the like, beside the encoded bytes. */
const CONTAINER_SHARE = 1.02;
const CONTAINER_BPS = 8000;
/** ffmpeg's AAC encoder keeps its rate on average; a copied track may be of any rate that AAC is made at. */
const AAC_PEAK_SHARE = 1.25;
const COPIED_AAC_BPS = 320_000;

export type GrowingTimeline = { stem: string; timescale: number; segments: { durationTicks: number }[] };

/** How a media playlist stands: `shown` segments from the first on, and whether there will be more. */
export type GrowthShown = { shown: number; isEnded: boolean; targetSeconds: number };

/** A media playlist that only grows (RFC 8216 §4.3.3.5) and is to be watched from its start. */
export function growingPlaylist(
  track: GrowingTimeline,
  { shown, isEnded, targetSeconds }: GrowthShown,
  protection?: PlannedProtection,
): string {
  const durations = segmentMicroseconds(track).slice(0, shown);
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${targetSeconds}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:EVENT',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    // Without it players take a list without an end for a live stream and begin three segments before its end.
    '#EXT-X-START:TIME-OFFSET=0,PRECISE=YES',
    `#EXT-X-MAP:URI="${initName(track.stem)}"`,
    ...durations.flatMap((duration, index) => [
      ...keyLine(protection, index),
      `#EXTINF:${(duration / 1_000_000).toFixed(6)},`,
      segmentName(track.stem, index),
    ]),
    ...(isEnded ? ['#EXT-X-ENDLIST'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** A rendition's whole timeline: the grid of the plan. */
export function plannedVideo(plan: Plan, rendition: string): GrowingTimeline {
  const ticks = frameTicks(plan.fps);
  const segments = Array.from({ length: plan.segmentCount }, (_, index) => {
    const { firstFrame, endFrame } = segmentFrameRange(index, plan, plan.totalFrames);
    return { durationTicks: (endFrame - firstFrame) * ticks };
  });
  return { stem: videoStem(rendition), timescale: plan.timescale, segments };
}

/** The first `count` segments of an audio track that has at least one more: only the last ends where it ends. */
export function cutAudio(plan: Plan, rendition: string, clock: AudioClock, count: number): GrowingTimeline {
  const cutBefore = (index: number) =>
    index === 0 ? 0 : audioCut(clock, frameSeconds(index * plan.segmentFrames, plan.fps));
  const segments = Array.from({ length: count }, (_, index) => ({
    durationTicks: (cutBefore(index + 1) - cutBefore(index)) * clock.frameTicks,
  }));
  return { stem: audioStem(rendition), timescale: clock.timescale, segments };
}

/** The master of a job that is being encoded: what the plan allows instead of what was measured. */
export function growingMaster(plan: Plan, codecsOf: (stem: string) => string): string {
  const heavy = (stem: string, peakBps: number, averageBps: number) => ({
    stem,
    codecs: codecsOf(stem),
    ...asHeavyAs(peakBps, averageBps),
  });
  return masterPlaylist({
    video: plan.renditions.map((rendition): VideoTrack => {
      const { name, width, height, maxBitrateBps } = rendition;
      const timeline = heavy(videoStem(name), videoCeilingBps(plan, rendition), maxBitrateBps);
      return { ...timeline, name, width, height, fps: plan.fps };
    }),
    audio: plan.audio.map((planned): AudioTrack => {
      const timeline = heavy(audioStem(planned.name), audioCeilingBps(planned), planned.bitrateBps);
      return { ...planned, ...timeline, sampleRate: timeline.timescale };
    }),
    subtitles: [],
  });
}

export function instantMaster({ video, audio }: PlannedInstant): string {
  return masterPlaylist({
    video: [
      {
        ...{ name: video.name, width: video.width, height: video.height, fps: video.fps },
        ...{ stem: videoStem(video.name), codecs: video.codecs },
        ...asHeavyAs(withContainer(video.peakBps), withContainer(video.averageBps)),
      },
    ],
    audio: audio
      ? [
          {
            ...{ name: audio.name, language: audio.language, label: audio.label, channels: audio.channels },
            ...{ stem: audioStem(audio.name), codecs: audio.codecs },
            ...asHeavyAs(withContainer(audio.bandwidthBps), withContainer(audio.bandwidthBps)),
            ...{ sampleRate: audio.timescale, isDefault: true },
          },
        ]
      : [],
    subtitles: [],
  });
}

export function instantTrack(
  stem: string,
  { timescale, segments }: { timescale: number; segments: InstantSegment[] },
): GrowingTimeline {
  return { stem, timescale, segments };
}

/**
 * The most that BANDWIDTH can come to (RFC 8216 §4.3.4.2): in any run of half to one and a half target durations
 * the encoder may spend its rate and, once, what its buffer holds.
 */
function videoCeilingBps(plan: Plan, { maxBitrateBps, bufferBits }: PlannedRendition): number {
  const last = segmentFrameRange(plan.segmentCount - 1, plan, plan.totalFrames);
  const lastFrames = last.endFrame - last.firstFrame;
  const isOwnRun = plan.segmentCount === 1 || lastFrames * 2 >= plan.segmentFrames;
  const runFrames = isOwnRun ? Math.min(lastFrames, plan.segmentFrames) : plan.segmentFrames;
  return withContainer(maxBitrateBps + bufferBits / frameSeconds(runFrames, plan.fps));
}

function audioCeilingBps({ isCopied, bitrateBps }: PlannedAudio): number {
  return withContainer(isCopied ? Math.max(COPIED_AAC_BPS, bitrateBps) : bitrateBps * AAC_PEAK_SHARE);
}

function withContainer(bps: number): number {
  return Math.ceil(bps * CONTAINER_SHARE + CONTAINER_BPS);
}

/** A timeline that measures as given: one second at the peak, then as many as bring the average down to it. */
function asHeavyAs(peakBps: number, averageBps: number): Pick<TrackTimeline, 'timescale' | 'segments'> {
  const bytes = (bps: number) => Math.ceil(bps / 8);
  const average = Math.min(peakBps, averageBps);
  // Long enough that the one second at the peak does not show in the average.
  const restSeconds = 1_000_000;
  return {
    timescale: 1,
    segments: [
      { startTicks: 0, durationTicks: 1, sizeBytes: bytes(peakBps) },
      { startTicks: 1, durationTicks: restSeconds, sizeBytes: bytes(average) * restSeconds },
    ],
  };
}
