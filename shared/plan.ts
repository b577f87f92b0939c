// The pure planner: from what the source is to everything that will be made of it. Every number later work
// relies on (frames, segments, chunks, keys) follows from the plan alone.
import { z } from 'zod';
import { EncoderPreset } from './api.ts';
import { Color, isHdrTransfer, outputColor } from './color.ts';
import { LadderRow, pickRungs } from './ladder.ts';
import { languageLabel, languageTag } from './language.ts';
import { displaySize, refuseSourceLength, refuseSourceSize } from './source-limits.ts';
import {
  chunkRuns,
  frameSeconds,
  framesPerSecond,
  Rational,
  segmentFrameRange,
  segmentGrid,
  snapFrameRate,
  timescaleOf,
} from './timeline.ts';

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
});
export type SourceAudio = z.infer<typeof SourceAudio>;

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
  /** Key frame times of the video, ascending; absent where the container has no index to seek by. */
  keyFrameSeconds: z.array(z.number()).optional(),
});
export type SourceInfo = z.infer<typeof SourceInfo>;

export const PlannedRendition = z.object({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  /** Constant rate factor under the cap: quality when there is room, the cap when there is not. */
  crf: z.int(),
  maxBitrateBps: z.int(),
  bufferBits: z.int(),
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
});
export type PlannedAudio = z.infer<typeof PlannedAudio>;

export const PlannedChunk = z.object({
  index: z.int(),
  firstSegment: z.int(),
  segmentCount: z.int(),
});
export type PlannedChunk = z.infer<typeof PlannedChunk>;

export const Plan = z.object({
  version: z.literal(1),
  source: z.object({
    demuxer: z.string(),
    videoStreamIndex: z.int(),
    /** Without an index the source is decoded from its start by one task. */
    isSeekable: z.boolean(),
    /** Size of the pictures as they are coded; a recording may change it on the way. */
    codedWidth: z.int(),
    codedHeight: z.int(),
    isRotated: z.boolean(),
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
  chunks: z.array(PlannedChunk).min(1),
  renditions: z.array(PlannedRendition).min(1),
  audio: z.array(PlannedAudio),
  encoder: z.object({ codec: z.literal('libx264'), preset: EncoderPreset }),
  poster: z.object({ atSeconds: z.number() }),
});
export type Plan = z.infer<typeof Plan>;

/** What may be chosen per video or per deployment. */
export const PlanOptions = z.object({
  ladder: z.array(LadderRow).min(1).optional(),
  segmentSeconds: z.number().default(6),
  preset: EncoderPreset.default('veryfast'),
});
export type PlanOptions = z.infer<typeof PlanOptions>;

const CRF = 23;
const TOP_RUNG_CRF = 22;

/** A chunk whose first picture is further than this from the key frame before it is not worth a seek. */
const MAX_SEEK_DISTANCE_SECONDS = 10;
/** Pre-roll before a chunk's first frame, so that the `fps` filter sees the picture before it. */
export const SEEK_MARGIN_SECONDS = 1;

/**
 * Plans a job.
 *
 * @throws AppError with a `media_` code where the source is outside {@link MEDIA_LIMITS}.
 */
export function planJob(source: SourceInfo, options: PlanOptions): Plan {
  const { video } = source;
  const endSeconds = video.startSeconds + video.durationSeconds;
  refuseSourceSize(video, source.streamCount);
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
  const renditions = rungs.map((rung, index) => ({
    name: rung.name,
    width: rung.width,
    height: rung.height,
    crf: index === rungs.length - 1 ? TOP_RUNG_CRF : CRF,
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
      isRotated: video.rotationDegrees !== 0,
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
    renditions,
    audio: planAudio(source.audio),
    encoder: { codec: 'libx264', preset: options.preset },
    poster: { atSeconds: Math.min(endSeconds / 10, 30) },
  };
}

/** Frames of a chunk: first (inclusive) and end (exclusive). */
export function chunkFrameRange(plan: Plan, chunk: PlannedChunk): { firstFrame: number; endFrame: number } {
  const first = segmentFrameRange(chunk.firstSegment, plan, plan.totalFrames);
  const last = segmentFrameRange(chunk.firstSegment + chunk.segmentCount - 1, plan, plan.totalFrames);
  return { firstFrame: first.firstFrame, endFrame: last.endFrame };
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

function planAudio(tracks: SourceAudio[]): PlannedAudio[] {
  // One rendition per language: the default track of a language, else its first.
  const byLanguage = new Map<string, SourceAudio>();
  for (const track of tracks) {
    const language = languageTag(track.language);
    const held = byLanguage.get(language);
    if (!held || (track.isDefault && !held.isDefault)) byLanguage.set(language, { ...track, language });
  }
  const chosen = [...byLanguage.values()];
  const defaultTrack = chosen.find((track) => track.isDefault) ?? chosen[0];
  return chosen.map((track) => {
    const channels = Math.min(2, track.channels);
    return {
      name: track.language,
      streamIndex: track.streamIndex,
      language: track.language,
      label: track.label ?? languageLabel(track.language),
      channels,
      bitrateBps: channels === 1 ? 64_000 : 128_000,
      isCopied: isCopyableAudio(track),
      isDefault: track === defaultTrack,
    };
  });
}

function isCopyableAudio(track: SourceAudio): boolean {
  const isPlayableRate = track.sampleRate === 44_100 || track.sampleRate === 48_000;
  return track.codec === 'aac' && track.profile === 'LC' && track.channels === 2 && isPlayableRate;
}
