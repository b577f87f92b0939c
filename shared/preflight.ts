// What would happen to a file, told from its first and last bytes: the same reading, the same refusals and the
// same planner as when the whole file is there.

import { isHdrTransfer } from './color.ts';
import { AppError, isMediaError } from './errors.ts';
import { type InstantFacts, judgeInstant } from './instant.ts';
import { MEDIA_LIMITS, R2_MAX_OBJECT_BYTES, SNIFF_BYTES } from './limits.ts';
import { ladderAlone, type Plan, type PlanOptions } from './plan.ts';
import { planJob } from './plan-job.ts';
import type { PreflightAnswer } from './preflight-answer.ts';
import { BytesMissing, endsOf, type FileEnds } from './probe/byte-source.ts';
import { type ChosenStreams, chooseAudio, chooseStreams } from './probe/choose-streams.ts';
import { isDecodable } from './probe/decodable.ts';
import { type IndexRead, indexLeads, readIso, readMatroska } from './probe/index-read.ts';
import { sourceInfoOf } from './probe/source-info.ts';
import type { StreamFacts } from './probe/stream-facts.ts';
import { type SniffedContainer, sniffContainer } from './sniff.ts';
import { displaySize } from './source-limits.ts';
import { framesPerSecond } from './timeline.ts';

export type Pieces = { head: Uint8Array; tail: Uint8Array; sizeBytes: number };

/** Never throws for anything the bytes may be. */
export async function preflight(pieces: Pieces, options: PlanOptions): Promise<PreflightAnswer> {
  const answer: PreflightAnswer = {
    verdict: 'unknown',
    reasons: [],
    audioCodecs: [],
    ladder: [],
    instantReasons: [],
  };
  try {
    await judge(pieces, options, answer);
  } catch (error) {
    answer.instant = undefined;
    answer.instantReasons = [];
    const reason = reasonOf(error);
    answer.verdict = reason.verdict;
    answer.reasons.push({ code: reason.code, detail: reason.detail });
    if (reason.verdict === 'refused') answer.instant = 'no';
  }
  return answer;
}

/** Why the bytes at hand do not settle it. */
class NotSettled extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.name = 'NotSettled';
    this.code = code;
  }
}

function reasonOf(error: unknown): { verdict: 'refused' | 'unknown'; code: string; detail: string } {
  if (error instanceof AppError && (isMediaError(error.code) || error.code === 'upload_too_large')) {
    return { verdict: 'refused', code: error.code, detail: error.detail };
  }
  if (error instanceof NotSettled) return { verdict: 'unknown', code: error.code, detail: error.message };
  if (error instanceof BytesMissing) {
    const detail = `What the file is made of is told further in (at byte ${error.offset}), between the pieces that were sent.`;
    return { verdict: 'unknown', code: 'index_not_in_bytes', detail };
  }
  // DataView refuses every read past a box's end.
  if (error instanceof RangeError) {
    const detail = 'A table of the index is cut short; only the whole file can tell what that means.';
    return { verdict: 'unknown', code: 'index_not_understood', detail };
  }
  throw error;
}

/** Fills in `answer` as far as it gets, so that what is known is told whatever comes of the rest. */
async function judge(pieces: Pieces, options: PlanOptions, answer: PreflightAnswer): Promise<void> {
  const source = endsOf(pieces.head, pieces.tail, pieces.sizeBytes);
  if (pieces.sizeBytes > R2_MAX_OBJECT_BYTES) throw new AppError('upload_too_large');
  const sniffed = sniffContainer(pieces.head.subarray(0, SNIFF_BYTES), pieces.sizeBytes);
  answer.container = sniffed.container;
  answer.isFaststart = sniffed.demuxer === 'mov' ? await indexLeads(source) : undefined;

  const read = await readIndex(sniffed, source);
  tellStreams(read.streams, answer);
  refuseImpossibleSize(read.streams);
  if (options.audioOnly && isSoundAlone(read.streams)) {
    throw new NotSettled(
      'sound_alone',
      'The file holds only sound, which is published as such; how long takes the whole file to tell.',
    );
  }
  const chosen = chosenOf(read.streams);
  tellVideo(chosen, answer);

  const times = await read.times(chosen);
  if (!times)
    throw new NotSettled('times_not_settled', 'When its pictures are shown takes the whole file to tell.');
  const { demuxer } = sniffed;
  const info = sourceInfoOf({ demuxer, sizeBytes: pieces.sizeBytes, chosen, times, hasIndex: read.hasIndex });
  const plan = planJob(info, options);
  tellPlan(plan, answer);
  if (!read.isSampled) answer.isVariableFrameRate = info.video.isVariableFrameRate;
  answer.verdict = 'accepted';

  const facts: InstantFacts = {
    container: sniffed.container,
    video: chosen.video,
    ladder: ladderAlone(plan).renditions,
    ...(await read.instantFacts(chosen, times)),
  };
  const { instant, reasons } = judgeInstant(facts);
  answer.instant = instant;
  answer.instantReasons = reasons;
}

function readIndex({ container, demuxer }: SniffedContainer, source: FileEnds): Promise<IndexRead> {
  if (demuxer === 'mov') return readIso(source);
  if (demuxer === 'matroska') return readMatroska(source);
  throw new NotSettled(
    'container_without_index',
    `A file of this kind (${container}) has no index at either end; what is in it takes the whole file to tell.`,
  );
}

function isSoundAlone(streams: StreamFacts[]): boolean {
  const hasPictures = streams.some(({ kind, isStill }) => kind === 'video' && !isStill);
  return !hasPictures && chooseAudio(streams).length > 0;
}

function chosenOf(streams: StreamFacts[]): ChosenStreams {
  const videos = streams.filter(({ kind, isStill }) => kind === 'video' && !isStill);
  const unnamed = videos.find(({ codec }) => codec === undefined);
  if (unnamed && !videos.some(({ codec }) => isDecodable(codec))) {
    const tag = (unnamed.codecTag ?? '').replace(/[^\w .-]/g, '?');
    throw new NotSettled(
      'codec_not_known',
      `Whether its video ("${tag}") can be decoded is not known beforehand.`,
    );
  }
  return chooseStreams(streams);
}

/** A decoder does not believe in a picture beyond what it may hold; to the probe it has no size at all. */
function refuseImpossibleSize(streams: StreamFacts[]): void {
  const [video, another] = streams.filter(({ kind, isStill }) => kind === 'video' && !isStill);
  if (!video || another || !isDecodable(video.codec)) return;
  if (video.width * video.height <= MEDIA_LIMITS.maxPixels) return;
  throw new AppError('media_invalid_dimensions', {
    detail: `The file declares a picture of ${video.width}x${video.height} pixels.`,
  });
}

function tellStreams(streams: StreamFacts[], answer: PreflightAnswer): void {
  const nameOf = ({ codec, codecTag }: StreamFacts) => codec ?? codecTag ?? 'unknown';
  const video = streams.find(({ kind, isStill }) => kind === 'video' && !isStill);
  answer.videoCodec = video && nameOf(video);
  answer.audioCodecs = streams.filter(({ kind }) => kind === 'audio').map(nameOf);
}

function tellVideo({ video }: ChosenStreams, answer: PreflightAnswer): void {
  const shape = { codedWidth: video.width, codedHeight: video.height, sar: video.sar ?? { num: 1, den: 1 } };
  const { rotationDegrees } = video;
  answer.videoCodec = video.codec;
  Object.assign(answer, displaySize({ ...shape, rotationDegrees }), { rotationDegrees });
  answer.isHdr = isHdrTransfer(video.colorTransfer);
}

function tellPlan(plan: Plan, answer: PreflightAnswer): void {
  answer.width = plan.display.width;
  answer.height = plan.display.height;
  answer.isHdr = plan.source.isHdr;
  answer.durationSeconds = plan.source.durationSeconds;
  answer.frameRate = framesPerSecond(plan.fps);
  answer.segmentCount = plan.segmentCount;
  answer.ladder = plan.renditions.map(({ name, width, height, maxBitrateBps }) => ({
    name,
    width,
    height,
    maxBitrateBps,
  }));
}
