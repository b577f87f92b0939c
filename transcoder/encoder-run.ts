// One ffmpeg run whose segments are stored while it goes on. The encoder is held back when storing falls
// behind, so that a crash loses little work.
import { type FfmpegCommand, type FfmpegHandle, type FfmpegResult, startFfmpeg } from './ffmpeg/run.ts';
import { verdictOn } from './ffmpeg/verdict.ts';
import type { Writer } from './isobmff/growing-file.ts';
import type { TaskContext } from './task-context.ts';

/** Complete segments that may wait for storage before the encoder is paused. */
const MAX_WAITING_SEGMENTS = 2;

export type SegmentSource<Segment> = {
  /** Complete segments in order, read from the files of `writer` until it has ended. */
  segments(writer: Writer): AsyncIterable<Segment>;
  /** Makes one segment durable; called one after another. */
  store(segment: Segment): Promise<void>;
};

export type EncoderOptions = {
  onFrames?: (frames: number) => void;
  /** Longest silence of ffmpeg where its own default is too short. */
  stallSeconds?: number;
};

/**
 * Runs a command to its end and stores every segment it yields. Tells what CPU time ffmpeg took and what it complained of.
 *
 * @throws AppError with a media_ code where the file is at fault, FfmpegError where ffmpeg failed otherwise, what
 * the source could not be read for, and whatever `segments` or `store` throw, after the encoder has been stopped.
 */
export async function runEncoder<Segment>(
  context: TaskContext,
  command: FfmpegCommand,
  source: SegmentSource<Segment>,
  { onFrames, stallSeconds }: EncoderOptions = {},
): Promise<FfmpegResult> {
  context.signal.throwIfAborted();
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const ended = Promise.withResolvers<void>();
  const writer = { hasEnded: false, hasFailed: false, ended: ended.promise, signal };
  const encoder = startFfmpeg(command, {
    directory: context.scratch.directory,
    limits: context.limits,
    signal,
    ...(onFrames && { onProgress: ({ frames }: { frames: number }) => onFrames(frames) }),
    ...(stallSeconds && { stallSeconds }),
  });
  const end = encoder.done.then(
    () => undefined,
    (error: unknown) => error ?? new Error('ffmpeg failed without a reason'),
  );
  void end.then((failure) => {
    // A source that could not be read looks to ffmpeg like one that ends there, often with exit code 0.
    writer.hasFailed = failure !== undefined || context.source.failure !== undefined;
    writer.hasEnded = true;
    ended.resolve();
  });

  try {
    await storeInOrder(source, writer, encoder, stop);
  } catch (error) {
    stop.abort(error); // keeps the first reason where storing failed before reading did
    await end;
    context.signal.throwIfAborted();
    throw stop.signal.reason;
  }
  const failure = await end;
  context.signal.throwIfAborted();
  if (failure !== undefined) throw verdictOn(failure);
  if (context.source.failure !== undefined) throw context.source.failure;
  return encoder.done;
}

async function storeInOrder<Segment>(
  source: SegmentSource<Segment>,
  writer: { hasEnded: boolean; hasFailed: boolean; signal: AbortSignal },
  encoder: FfmpegHandle,
  stop: AbortController,
): Promise<void> {
  let waiting = 0;
  let stored = Promise.resolve();
  try {
    for await (const segment of source.segments(writer)) {
      // What was written last may be short, and a stored segment is there for good.
      if (writer.hasFailed) break;
      waiting++;
      if (waiting >= MAX_WAITING_SEGMENTS && !writer.hasEnded) encoder.pause();
      stored = stored.then(async () => {
        writer.signal.throwIfAborted();
        await source.store(segment);
        waiting--;
        if (waiting < MAX_WAITING_SEGMENTS && !writer.hasEnded) encoder.resume();
      });
      // Ends the reading at once; the reason is thrown by the caller.
      stored.catch((error: unknown) => stop.abort(error));
    }
  } catch (error) {
    stop.abort(error);
    await stored.catch(() => undefined); // its reason, if it was first, is already the abort's
    throw error;
  }
  await stored;
}
