// Still pictures of a video. A missing poster is a blemish, not a failure of the job.
import { readFile } from 'node:fs/promises';
import { POSTER } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { type PosterSearch, posterCommand } from '../ffmpeg/image-args.ts';
import { FfmpegError, startFfmpeg } from '../ffmpeg/run.ts';
import { type StoredPicture, storePicture } from '../stored-picture.ts';
import type { TaskContext } from '../task-context.ts';

/** Pictures read at most by one search. */
const KEY_FRAME_WINDOW_SECONDS = 30;
const EVERY_FRAME_WINDOW_SECONDS = 5;

/** Stores a poster; undefined where no picture could be had. */
export async function makePoster(context: TaskContext, plan: Plan): Promise<StoredPicture | undefined> {
  for (const [attempt, search] of posterSearches(plan).entries()) {
    const jpeg = await tryPoster(context, plan, search, context.scratch.path(`poster-${attempt}.jpg`));
    if (jpeg) return storePicture(context, POSTER, jpeg);
  }
  context.log.warn('poster.none');
  return undefined;
}

/** From the nicest way to get a picture to the surest. */
export function posterSearches(plan: Plan): PosterSearch[] {
  const { atSeconds } = plan.poster;
  const keyFrames = { windowSeconds: KEY_FRAME_WINDOW_SECONDS, isKeyFramesOnly: true, skipsBlack: true };
  const everyFrame = { windowSeconds: EVERY_FRAME_WINDOW_SECONDS, isKeyFramesOnly: false, skipsBlack: true };
  return [
    // Key frames are found without decoding what lies between; without an index a seek reads everything.
    ...(plan.source.isSeekable ? [{ ...keyFrames, fromSeconds: atSeconds }] : []),
    ...(plan.source.isSeekable ? [{ ...everyFrame, fromSeconds: atSeconds }] : []),
    { ...everyFrame, fromSeconds: 0, windowSeconds: KEY_FRAME_WINDOW_SECONDS },
    // A film that is black all along gets a black poster.
    { ...everyFrame, fromSeconds: 0, skipsBlack: false },
  ];
}

async function tryPoster(
  context: TaskContext,
  plan: Plan,
  search: PosterSearch,
  path: string,
): Promise<Uint8Array | undefined> {
  context.signal.throwIfAborted();
  const { signal, limits, scratch, source, threads } = context;
  const command = posterCommand(plan, { url: source.url, threads }, search, path);
  try {
    await startFfmpeg(command, { directory: scratch.directory, limits, signal }).done;
    const jpeg = await readFile(path);
    return jpeg.length > 0 ? jpeg : undefined;
  } catch (error) {
    signal.throwIfAborted();
    const isNoPicture = error instanceof FfmpegError || (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isNoPicture) throw error;
    // Not the fault of the video, and its next attempt gets a poster.
    if (source.failure !== undefined) throw source.failure;
    context.log.info('poster.search_failed', { ...search, error: (error as Error).message });
    return undefined;
  }
}
