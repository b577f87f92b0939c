// Lays the tiles that the chunks left behind out on sheets. Reads nothing of the source.
import { readFile, writeFile } from 'node:fs/promises';
import { AppError } from '../../shared/errors.ts';
import { THUMBNAIL_STEM, thumbnailName, tilesKey } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { type PlannedThumbnails, tilesWithin } from '../../shared/plan-thumbnails.ts';
import { segmentFrameRange } from '../../shared/timeline.ts';
import { sheetsCommand } from '../ffmpeg/image-args.ts';
import { startFfmpeg } from '../ffmpeg/run.ts';
import { countJpegs } from '../growing-tiles.ts';
import { type StoredPicture, storePicture } from '../stored-picture.ts';
import type { TaskContext } from '../task-context.ts';

const FETCHES_AT_ONCE = 8;

/**
 * Stores the sheets; undefined where the plan has none.
 *
 * @throws AppError verification_failed where tiles are missing.
 */
export async function makeSheets(context: TaskContext, plan: Plan): Promise<StoredPicture[] | undefined> {
  const { thumbnails } = plan;
  if (!thumbnails) return undefined;
  const { scratch, limits, signal } = context;
  const tilesPath = scratch.path('tiles.mjpg');
  await writeFile(tilesPath, Buffer.concat(await loadTiles(context, plan, thumbnails)));
  const command = sheetsCommand(thumbnails, tilesPath, scratch.path(`${THUMBNAIL_STEM}_%03d.jpg`));
  await startFfmpeg(command, { directory: scratch.directory, limits, signal }).done;

  const sheets: StoredPicture[] = [];
  for (let sheet = 0; sheet < thumbnails.sheetCount; sheet++) {
    const name = thumbnailName(sheet);
    sheets.push(await storePicture(context, name, await readFile(scratch.path(name))));
  }
  return sheets;
}

async function loadTiles(
  context: TaskContext,
  plan: Plan,
  thumbnails: PlannedThumbnails,
): Promise<Uint8Array[]> {
  const { jobId } = context.claim.task;
  const wanted = Array.from({ length: plan.segmentCount }, (_, segment) => ({
    segment,
    count: tilesWithin(thumbnails, segmentFrameRange(segment, plan, plan.totalFrames)),
  })).filter(({ count }) => count > 0);
  const tiles: Uint8Array[] = [];
  for (let at = 0; at < wanted.length; at += FETCHES_AT_ONCE) {
    context.signal.throwIfAborted();
    const some = wanted.slice(at, at + FETCHES_AT_ONCE).map(async ({ segment, count }) => {
      const bytes = await context.r2.get(tilesKey(jobId, segment));
      if (countJpegs(bytes) === count) return bytes;
      throw new AppError('verification_failed', {
        detail: `tiles-complete: segment ${segment} does not have its ${count} tiles.`,
      });
    });
    tiles.push(...(await Promise.all(some)));
  }
  return tiles;
}
