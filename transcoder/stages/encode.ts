// Encodes one chunk: every rung of the ladder from one decode, each segment stored and committed as soon as it
// is complete on all rungs. Segments that an earlier attempt committed are not made again.
import { AppError } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { InitFacts, SegmentFacts, TaskFacts } from '../../shared/messages.ts';
import { tilesKey, videoStem } from '../../shared/object-keys.ts';
import { chunkFrameRange, type Plan, type PlannedChunk, type PlannedRendition } from '../../shared/plan.ts';
import { tilesWithin } from '../../shared/plan-thumbnails.ts';
import { frameSeconds, segmentFrameRange } from '../../shared/timeline.ts';
import { runEncoder } from '../encoder-run.ts';
import { encryptionOf } from '../encryption.ts';
import { chunkCommand, type FrameRun } from '../ffmpeg/args.ts';
import { GrowingTiles } from '../growing-tiles.ts';
import { GrowingFile } from '../isobmff/growing-file.ts';
import { withUprightMatrix } from '../isobmff/init.ts';
import { assembleSegment } from '../isobmff/segment.ts';
import { requireOnGrid, type VideoSegment, videoSegments } from '../isobmff/video-grid.ts';
import { countEncode } from '../metrics.ts';
import { requireDisk } from '../scratch.ts';
import { createSegmentStore, type SegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';

/** One rung while its chunk is made. */
type Rung = {
  rendition: PlannedRendition;
  stem: string;
  init: InitFacts | undefined;
  segments: SegmentFacts[];
};

/** The same segment of every rung, in the order of the plan's renditions, and its tiles where it has any. */
type SegmentOfRungs = { parts: SegmentPart[]; tiles: Uint8Array | undefined };
type SegmentPart = { file: GrowingFile; segment: VideoSegment };

/**
 * @throws AppError media_truncated where the source ends before its plan, verification_failed where the encoder
 * left the grid, init_mismatch where another encoder's init segment is stored.
 */
export async function encodeChunk(context: TaskContext, plan: Plan, chunk: PlannedChunk): Promise<TaskFacts> {
  const encryption = encryptionOf(context, plan.protection);
  const store = createSegmentStore(context.r2, context.claim.job.outputPrefix, context.log, encryption);
  const firstMissing = chunk.firstSegment + context.claim.task.mark;
  const endSegment = chunk.firstSegment + chunk.segmentCount;
  const rungs = plan.renditions.map(
    (rendition): Rung => ({ rendition, stem: videoStem(rendition.name), init: undefined, segments: [] }),
  );

  for (let index = chunk.firstSegment; index < firstMissing; index++) {
    await Promise.all(rungs.map((rung) => recall(store, plan, rung, index)));
  }
  const cpuSeconds =
    firstMissing < endSegment ? await encodeMissing(context, plan, chunk, store, rungs, firstMissing) : 0;

  const tracks = rungs.map(async ({ stem, init, segments }) => ({
    stem,
    init: init ?? (await store.storedInit(stem)),
    segments,
  }));
  return { version: 1, tracks: await Promise.all(tracks), cpuSeconds };
}

async function recall(store: SegmentStore, plan: Plan, rung: Rung, index: number): Promise<void> {
  const facts = await store.storedSegment(rung.stem, index);
  requireOnGrid(plan, facts);
  rung.segments.push(facts);
}

/** CPU seconds of the encoder. */
async function encodeMissing(
  context: TaskContext,
  plan: Plan,
  chunk: PlannedChunk,
  store: SegmentStore,
  rungs: Rung[],
  firstMissing: number,
): Promise<number> {
  const chunkFrames = chunkFrameRange(plan, chunk);
  const endSegment = chunk.firstSegment + chunk.segmentCount;
  const run: FrameRun = {
    firstFrame: segmentFrameRange(firstMissing, plan, plan.totalFrames).firstFrame,
    endFrame: chunkFrames.endFrame,
  };
  const framesBefore = run.firstFrame - chunkFrames.firstFrame;
  const path = (rendition: PlannedRendition) =>
    context.scratch.path(`${rendition.name}-${run.firstFrame}.mp4`);
  const tilesPath = context.scratch.path(`tiles-${run.firstFrame}.mjpg`);
  const input = { url: context.source.url, threads: context.threads };
  let nextSegment = firstMissing;
  await requireDisk(context.scratch, outputBytes(plan, run));

  await using files = new AsyncDisposableStack();
  const startedAtMs = performance.now();
  const { cpuSeconds } = await runEncoder<SegmentOfRungs>(
    context,
    chunkCommand(plan, input, run, path, tilesPath),
    {
      segments: (writer) => {
        const open = rungs.map(({ rendition }) => files.use(new GrowingFile(path(rendition), writer)));
        const tiles = files.use(new GrowingTiles(tilesPath, writer));
        const complete = allRungs(open, plan, firstMissing, endSegment, context.log);
        return withTiles(complete, tiles, plan);
      },
      async store({ parts, tiles }) {
        await Promise.all([
          ...parts.map((part, index) => storePart(store, plan, rungs[index]!, part)),
          tiles && storeTiles(context, nextSegment, tiles),
        ]);
        nextSegment++;
        await context.commit(nextSegment - chunk.firstSegment);
        context.log.info('segment.committed', { segment: nextSegment - 1 });
      },
    },
    {
      onFrames: (frames) => context.progress(framesBefore + Math.min(frames, run.endFrame - run.firstFrame)),
      // Without an index ffmpeg decodes all that comes before, in silence.
      ...(plan.source.isSeekable ? {} : { stallSeconds: context.limits.wallSeconds }),
    },
  );
  if (nextSegment < chunk.firstSegment + chunk.segmentCount) throw tooShort(plan, nextSegment);
  const frames = run.endFrame - run.firstFrame;
  countEncode({
    ...{ rungs: rungs.map(({ rendition }) => rendition.name), frames },
    mediaSeconds: frameSeconds(frames, plan.fps),
    seconds: (performance.now() - startedAtMs) / 1000,
  });
  context.progress(chunkFrames.endFrame - chunkFrames.firstFrame);
  return cpuSeconds;
}

/** The most that the rungs' files, which grow until the run ends, can come to. */
function outputBytes(plan: Plan, { firstFrame, endFrame }: FrameRun): number {
  const seconds = frameSeconds(endFrame - firstFrame, plan.fps);
  const bits = plan.renditions.map(({ maxBitrateBps, bufferBits }) => maxBitrateBps * seconds + bufferBits);
  return bits.reduce((sum, rung) => sum + rung, 0) / 8;
}

/** Segments complete on every rung; ends with the first that is missing on one. */
async function* allRungs(
  files: GrowingFile[],
  plan: Plan,
  firstSegment: number,
  endSegment: number,
  log: Log,
): AsyncGenerator<SegmentPart[], void, void> {
  const tracks = files.map((file) => videoSegments(file.fragments(), plan, firstSegment, endSegment));
  for (;;) {
    const next = await Promise.all(tracks.map((track) => track.next()));
    const parts: SegmentPart[] = next.flatMap(({ value }, index) =>
      value ? [{ file: files[index]!, segment: value }] : [],
    );
    if (parts.length < files.length) return;
    log.info('segment.encoded', { segment: parts[0]?.segment.index });
    yield parts;
  }
}

/** Joins each segment with its tiles, which ffmpeg writes before the segment is complete. */
async function* withTiles(
  segments: AsyncIterable<SegmentPart[]>,
  tiles: GrowingTiles,
  plan: Plan,
): AsyncGenerator<SegmentOfRungs, void, void> {
  for await (const parts of segments) {
    const range = segmentFrameRange(parts[0]!.segment.index, plan, plan.totalFrames);
    const count = plan.thumbnails ? tilesWithin(plan.thumbnails, range) : 0;
    const pictures = count > 0 ? await tiles.next(count) : undefined;
    if (count > 0 && !pictures) return;
    yield { parts, tiles: pictures };
  }
}

/** Durable with its segment, since no later attempt decodes a committed segment again. */
async function storeTiles(context: TaskContext, segment: number, tiles: Uint8Array): Promise<void> {
  const key = tilesKey(context.claim.task.jobId, segment);
  await context.r2.putOnce(key, tiles, 'video/x-motion-jpeg');
}

async function storePart(
  store: SegmentStore,
  plan: Plan,
  rung: Rung,
  { file, segment }: SegmentPart,
): Promise<void> {
  if (!rung.init) {
    const init = await file.init();
    if (!init) throw new AppError('encode_failed', { detail: 'The encoder wrote no init segment.' });
    rung.init = await store.putInit(rung.stem, withUprightMatrix(init));
  }
  const bytes = await assembleSegment(file, segment.fragments, segment.firstSequenceNumber);
  const facts = await store.putSegment(rung.stem, segment.index, bytes);
  requireOnGrid(plan, facts);
  rung.segments.push(facts);
}

function tooShort(plan: Plan, segment: number): AppError {
  const at = segmentFrameRange(segment, plan, plan.totalFrames);
  const secondsOf = (frames: number) => ((frames * plan.fps.den) / plan.fps.num).toFixed(1);
  return new AppError('media_truncated', {
    detail:
      `The file announces ${secondsOf(plan.totalFrames)} seconds of video, but its pictures end ` +
      `between ${secondsOf(at.firstFrame)} and ${secondsOf(at.endFrame)} seconds.`,
  });
}
