// The pure planner: from what the source is to everything that will be made of it.
import { keptChapters } from './chapters.ts';
import { isHdrTransfer, outputColor } from './color.ts';
import { pickRungs } from './ladder.ts';
import { type Plan, type PlannedChunk, type PlanOptions, SEEK_MARGIN_SECONDS } from './plan.ts';
import { planAudio } from './plan-audio.ts';
import { extraRungWarnings, planExtraRungs } from './plan-extra.ts';
import { planSubtitles, subtitleWarnings } from './plan-text.ts';
import { planThumbnails } from './plan-thumbnails.ts';
import type { SourceInfo } from './source-info.ts';
import { displaySize, refuseFrameRate, refuseSourceLength, refuseSourceSize } from './source-limits.ts';
import {
  chunkRuns,
  frameSeconds,
  framesPerSecond,
  segmentGrid,
  snapFrameRate,
  timescaleOf,
} from './timeline.ts';

/**
 * Measured on natural clips against the caps as fixed bitrates (`npm run bench -- encode`): 23 saved a third of the
 * bytes but cost 0.004 of SSIM; 21 saves a good fifth for 0.0014. The smallest rung shows its losses first and costs
 * next to nothing.
 */
const CRF = 21;
const LOWEST_RUNG_CRF = 20;

/** A chunk whose first picture is further than this from the key frame before it is not worth a seek. */
const MAX_SEEK_DISTANCE_SECONDS = 10;
/**
 * Plans a job.
 *
 * @throws AppError with a `media_` code where the source is outside {@link MEDIA_LIMITS}.
 */
export function planJob(source: SourceInfo, options: PlanOptions): Plan {
  const { video } = source;
  const loudnessLufs = options.loudness?.targetLufs;
  const endSeconds = video.startSeconds + video.durationSeconds;
  refuseSourceSize(video, source.streamCount);
  refuseFrameRate(video.averageFps);
  refuseSourceLength({
    videoSeconds: video.durationSeconds,
    durationSeconds: Math.max(source.durationSeconds, endSeconds),
    sizeBytes: source.sizeBytes,
  });
  const display = displaySize(video);
  const fps = snapFrameRate(
    video.isVariableFrameRate ? (video.typicalFps ?? video.averageFps) : video.averageFps,
  );
  const totalFrames = Math.max(1, Math.round(endSeconds * framesPerSecond(fps)));
  const grid = segmentGrid(totalFrames, fps, options.segmentSeconds);
  const chunks = planChunks(grid.segmentCount, source.keyFrameSeconds, (segment) =>
    frameSeconds(segment * grid.segmentFrames, fps),
  );

  const rungs = pickRungs(display, options.ladder);
  const ladder = rungs.map((rung, index) => ({
    name: rung.name,
    width: rung.width,
    height: rung.height,
    crf: index === 0 ? LOWEST_RUNG_CRF : CRF,
    maxBitrateBps: rung.maxBitrateBps,
    bufferBits: 2 * rung.maxBitrateBps,
  }));

  return {
    version: 1,
    source: {
      demuxer: source.demuxer,
      videoStreamIndex: video.streamIndex,
      isSeekable: chunks.length > 1 || source.keyFrameSeconds !== undefined,
      codedWidth: video.codedWidth,
      codedHeight: video.codedHeight,
      rotationDegrees: video.rotationDegrees,
      isMirrored: video.isMirrored === true,
      isInterlaced: video.isInterlaced,
      isHdr: isHdrTransfer(video.colorTransfer),
      ...(source.zeroSeconds === undefined ? {} : { zeroSeconds: source.zeroSeconds }),
      durationSeconds: source.durationSeconds,
    },
    display,
    color: outputColor(video, display),
    fps,
    timescale: timescaleOf(fps),
    totalFrames,
    ...grid,
    segmentSeconds: options.segmentSeconds,
    chunks,
    renditions: [...ladder, ...planExtraRungs(display, options)],
    audio: planAudio(source.audio, loudnessLufs === undefined, endSeconds),
    ...(loudnessLufs === undefined ? {} : { loudnessLufs }),
    subtitles: planSubtitles(source.subtitles ?? []),
    chapters: keptChapters(source.chapters ?? [], endSeconds),
    warnings: [...subtitleWarnings(source), ...extraRungWarnings(options)],
    encoder: { codec: options.encoder ?? 'libx264', preset: options.preset },
    poster: { atSeconds: Math.min(endSeconds / 10, 30) },
    thumbnails: planThumbnails(
      { totalFrames, durationSeconds: source.durationSeconds, fps },
      grid,
      ladder[0]!,
    ),
  };
}

function planChunks(
  segmentCount: number,
  keyFrameSeconds: number[] | undefined,
  startOfSegment: (segment: number) => number,
): PlannedChunk[] {
  const single = [{ index: 0, firstSegment: 0, segmentCount }];
  if (!keyFrameSeconds) return single;
  const runs = chunkRuns(segmentCount);
  if (keyFrameSeconds.length < runs.length) return single;

  const chunks: PlannedChunk[] = [];
  for (const run of runs) {
    const startSeconds = startOfSegment(run.firstSegment);
    const keyFrame = lastAtOrBefore(keyFrameSeconds, startSeconds - SEEK_MARGIN_SECONDS);
    const previous = chunks.at(-1);
    if (previous && startSeconds - keyFrame > MAX_SEEK_DISTANCE_SECONDS + SEEK_MARGIN_SECONDS) {
      previous.segmentCount += run.segmentCount;
    } else {
      chunks.push({ index: chunks.length, ...run });
    }
  }
  return chunks;
}

function lastAtOrBefore(ascending: number[], limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : ascending[low - 1]!;
}
