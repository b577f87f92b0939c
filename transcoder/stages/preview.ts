// A short animated preview from segments that are already stored. A missing one is a blemish, not a failure.
import { readFile, writeFile } from 'node:fs/promises';
import { PREVIEW, videoStem } from '../../shared/object-keys.ts';
import { ladderAlone, type Plan } from '../../shared/plan.ts';
import { framesPerSecond, segmentFrameRange } from '../../shared/timeline.ts';
import { encryptionOf } from '../encryption.ts';
import { FfmpegError } from '../ffmpeg/ffmpeg-error.ts';
import { type PreviewSpot, previewCommand } from '../ffmpeg/image-args.ts';
import { startFfmpeg } from '../ffmpeg/run.ts';
import { createSegmentStore } from '../segment-store.ts';
import { type StoredPicture, storePicture } from '../stored-picture.ts';
import type { TaskContext } from '../task-context.ts';

const SPOTS = 4;
const SPOT_SECONDS = 0.9;
/** A smaller rung would have to be blown up. */
const MIN_LONG_SIDE_PIXELS = 320;

export async function makePreview(context: TaskContext, plan: Plan): Promise<StoredPicture | undefined> {
  const { scratch, limits, signal, log } = context;
  const spots = previewSpots(plan);
  const trackPath = scratch.path('preview.mp4');
  const path = scratch.path(PREVIEW);
  await writeFile(trackPath, await loadSegments(context, plan, spots));
  try {
    const command = previewCommand(plan, spots, trackPath, path);
    await startFfmpeg(command, { directory: scratch.directory, limits, signal }).done;
    return await storePicture(context, PREVIEW, await readFile(path));
  } catch (error) {
    signal.throwIfAborted();
    const isNoPicture = error instanceof FfmpegError || (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isNoPicture) throw error;
    log.warn('preview.none', { error: (error as Error).message });
    return undefined;
  }
}

/** Spread over the video, each beginning with a key picture and lying in one segment; all of a short video. */
export function previewSpots(plan: Plan): PreviewSpot[] {
  const { totalFrames, gopFrames, segmentFrames, segmentCount } = plan;
  const frames = Math.max(1, Math.round(SPOT_SECONDS * framesPerSecond(plan.fps)));
  if (totalFrames <= SPOTS * frames) return [{ firstFrame: 0, endFrame: totalFrames }];
  const spots = new Map<number, PreviewSpot>();
  for (let spot = 0; spot < SPOTS; spot++) {
    const aim = Math.floor(((spot + 0.5) * totalFrames) / SPOTS);
    const segment = Math.min(segmentCount - 1, Math.floor(aim / segmentFrames));
    const { endFrame } = segmentFrameRange(segment, plan, totalFrames);
    const firstFrame = Math.floor(aim / gopFrames) * gopFrames;
    spots.set(firstFrame, { firstFrame, endFrame: Math.min(endFrame, firstFrame + frames) });
  }
  return [...spots.values()];
}

/** Init and the spots' segments of a small rung, as one file. */
async function loadSegments(
  context: TaskContext,
  plan: Plan,
  spots: readonly PreviewSpot[],
): Promise<Uint8Array> {
  const ladder = ladderAlone(plan).renditions;
  const isLarge = ({ width, height }: { width: number; height: number }) =>
    Math.max(width, height) >= MIN_LONG_SIDE_PIXELS;
  const rung = ladder.find(isLarge) ?? ladder.at(-1)!;
  const stem = videoStem(rung.name);
  const segments = new Set<number>();
  for (const { firstFrame, endFrame } of spots) {
    for (let index = 0; index < plan.segmentCount; index++) {
      const range = segmentFrameRange(index, plan, plan.totalFrames);
      if (range.firstFrame < endFrame && firstFrame < range.endFrame) segments.add(index);
    }
  }
  const { r2, claim, log } = context;
  const encryption = encryptionOf(context, plan.protection);
  const store = createSegmentStore(r2, claim.job.outputPrefix, log, encryption);
  const parts = [store.clearInit(stem), ...[...segments].map((index) => store.clearSegment(stem, index))];
  return Buffer.concat(await Promise.all(parts));
}
