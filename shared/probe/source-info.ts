// From the streams chosen and the times of their packets to what the planner needs, whoever found them out.
import { AppError } from '../errors.ts';
import type { SourceAudio, SourceInfo } from '../source-info.ts';
import { audioProperties, type ChosenStreams, videoProperties } from './choose-streams.ts';
import { type Extent, extentOf, type PacketTimes, pictureTiming } from './picture-times.ts';
import type { StreamFacts } from './stream-facts.ts';

/** Where neither packets nor headers tell a pace: one picture without a duration. */
export const FALLBACK_FPS = 25;

/** A first packet of sound may begin this much before zero: what lies there primes the decoder and is not heard. */
const MAX_PRIMING_SECONDS = 0.1;

/**
 * `times` holds packet times by stream index; without an index to seek by, key frames are not told.
 *
 * @throws AppError media_truncated where the video has no picture.
 */
export function sourceInfoOf(found: {
  demuxer: string;
  sizeBytes: number;
  chosen: ChosenStreams;
  times: Map<number, PacketTimes>;
  hasIndex: boolean;
}): SourceInfo {
  const { chosen, times, hasIndex } = found;
  const { video } = chosen;
  const pictures = times.get(video.index);
  const timing = pictures && pictureTiming(pictures, video.declaredFps ?? FALLBACK_FPS);
  if (!timing) {
    throw new AppError('media_truncated', {
      detail: 'The file describes a video but holds none of its pictures.',
    });
  }
  // The encoder shifts the container's clock by this for every stream alike, so sound and picture keep their
  // offset. The file's own start time is no use: text and data streams count in it.
  const starts = chosen.audio.flatMap((stream) => heardExtent(times.get(stream.index))?.startSeconds ?? []);
  const zeroSeconds = Math.min(timing.startSeconds, ...starts);
  const tracks = chosen.audio.flatMap((stream) => sourceAudio(stream, times.get(stream.index), zeroSeconds));
  return {
    demuxer: found.demuxer,
    sizeBytes: found.sizeBytes,
    streamCount: chosen.streamCount,
    zeroSeconds,
    durationSeconds: Math.max(
      timing.endSeconds - zeroSeconds,
      ...tracks.map((track) => track.startSeconds + track.durationSeconds),
    ),
    video: {
      ...videoProperties(video),
      startSeconds: timing.startSeconds - zeroSeconds,
      durationSeconds: timing.endSeconds - timing.startSeconds,
      averageFps: timing.averageFps,
      typicalFps: timing.typicalFps,
      isVariableFrameRate: timing.isVariable,
    },
    audio: tracks,
    ...(hasIndex ? { keyFrameSeconds: timing.keySeconds.map((seconds) => seconds - zeroSeconds) } : {}),
  };
}

/**
 * All sound of a file without pictures, on one clock.
 *
 * @throws AppError media_truncated where there is none.
 */
export function soundExtents(
  streams: StreamFacts[],
  times: Map<number, PacketTimes>,
): { zeroSeconds: number; durationSeconds: number; audio: SourceAudio[] } {
  const starts = streams.flatMap((stream) => heardExtent(times.get(stream.index))?.startSeconds ?? []);
  const zeroSeconds = Math.min(...starts);
  const audio = streams.flatMap((stream) => sourceAudio(stream, times.get(stream.index), zeroSeconds));
  if (audio.length === 0) {
    throw new AppError('media_truncated', { detail: 'The file describes sound but holds none of it.' });
  }
  const durationSeconds = Math.max(...audio.map((track) => track.startSeconds + track.durationSeconds));
  return { zeroSeconds, durationSeconds, audio };
}

/** None for a track without packets: its header promises sound that is not there. */
function sourceAudio(
  stream: StreamFacts,
  times: PacketTimes | undefined,
  zeroSeconds: number,
): SourceAudio[] {
  const extent = heardExtent(times);
  if (!extent) return [];
  return [
    {
      ...audioProperties(stream),
      startSeconds: extent.startSeconds - zeroSeconds,
      durationSeconds: extent.endSeconds - extent.startSeconds,
    },
  ];
}

function heardExtent(times: PacketTimes | undefined): Extent | undefined {
  const extent = times && extentOf(times);
  if (!extent || extent.startSeconds >= 0 || extent.startSeconds < -MAX_PRIMING_SECONDS) return extent;
  return { ...extent, startSeconds: 0 };
}
