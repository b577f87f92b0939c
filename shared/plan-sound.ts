// The plan of a file that holds only sound: no pictures and no chunks, and a clock of frames all the same, since
// segments are cut by it.
import { z } from 'zod';
import { BT709 } from './color.ts';
import { MEDIA_LIMITS } from './limits.ts';
import type { Plan, PlanOptions } from './plan.ts';
import { planAudio } from './plan-audio.ts';
import { SourceAudio } from './source-info.ts';
import { refuseSourceLength, refuseStreamCount } from './source-limits.ts';
import { framesPerSecond, segmentGrid, timescaleOf } from './timeline.ts';

export const SoundInfo = z.object({
  demuxer: z.string(),
  sizeBytes: z.int(),
  streamCount: z.int(),
  zeroSeconds: z.number(),
  durationSeconds: z.number(),
  audio: z.array(SourceAudio).min(1),
});
export type SoundInfo = z.infer<typeof SoundInfo>;

/** Any rate whose frames a segment is a whole number of. */
const CLOCK = { num: 25, den: 1 };

/** @throws AppError with a `media_` code where the source is outside {@link MEDIA_LIMITS}. */
export function planSound(source: SoundInfo, options: PlanOptions): Plan {
  const { durationSeconds, sizeBytes, streamCount } = source;
  const loudnessLufs = options.loudness?.targetLufs;
  refuseStreamCount(streamCount);
  refuseSourceLength({ videoSeconds: durationSeconds, durationSeconds, sizeBytes });
  const totalFrames = Math.max(1, Math.round(durationSeconds * framesPerSecond(CLOCK)));
  return {
    version: 1,
    isAudioOnly: true,
    source: {
      demuxer: source.demuxer,
      videoStreamIndex: -1,
      ...{ codedWidth: 0, codedHeight: 0, rotationDegrees: 0 },
      ...{ isSeekable: false, isMirrored: false, isInterlaced: false, isHdr: false },
      zeroSeconds: source.zeroSeconds,
      durationSeconds,
    },
    display: { width: 0, height: 0 },
    color: BT709,
    fps: CLOCK,
    timescale: timescaleOf(CLOCK),
    totalFrames,
    ...segmentGrid(totalFrames, CLOCK, options.segmentSeconds),
    segmentSeconds: options.segmentSeconds,
    chunks: [],
    renditions: [],
    audio: planAudio(source.audio, loudnessLufs === undefined),
    ...(loudnessLufs === undefined ? {} : { loudnessLufs }),
    encoder: { codec: options.encoder ?? 'libx264', preset: options.preset },
    poster: { atSeconds: 0 },
  };
}
