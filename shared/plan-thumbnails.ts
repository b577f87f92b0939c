// Which small pictures a video gets for scrubbing: how often, how large, how they lie on their sheets. Pure.
import { z } from 'zod';
import { evenSize, type Size } from './ladder.ts';
import { framesPerSecond, type Grid, type Rational } from './timeline.ts';

/** Tile `k` shows frame `k × intervalFrames` and stands for the time up to the next. */
export const PlannedThumbnails = z.object({
  /** Divides a segment or is a whole number of them, so that a tile never depends on two chunks. */
  intervalFrames: z.int().min(1),
  tileWidth: z.int().min(2),
  tileHeight: z.int().min(2),
  /** Of a sheet; every sheet has the same size, what has no tile is black. */
  columns: z.int().min(1),
  rows: z.int().min(1),
  tileCount: z.int().min(1),
  /** Enough for the sound too, where it outlasts the pictures: players ask for sheets up to the very end. */
  sheetCount: z.int().min(1),
});
export type PlannedThumbnails = z.infer<typeof PlannedThumbnails>;

const TILE_LONG_SIDE_PIXELS = 240;
const SHEET_SIDE_TILES = 5;
/** Up to here every GOP gets a tile (10 minutes at 2 s); a longer video one per segment. */
const MAX_TILES_PER_GOP = 300;
const MAX_TILES = 1500;

/** Encoding makes sound a little longer. */
const SOUND_SLACK_SECONDS = 1;

/**
 * @param durationSeconds Of everything, sound included.
 * @param picture Size of the smallest rung, which the tiles are scaled from.
 */
export function planThumbnails(
  { totalFrames, durationSeconds, fps }: { totalFrames: number; durationSeconds: number; fps: Rational },
  grid: Grid,
  picture: Size,
): PlannedThumbnails {
  const shownFrames = Math.max(
    totalFrames,
    Math.ceil((durationSeconds + SOUND_SLACK_SECONDS) * framesPerSecond(fps)),
  );
  const intervalFrames = intervalOf(shownFrames, grid);
  const tileCount = Math.ceil(totalFrames / intervalFrames);
  const places = Math.ceil(shownFrames / intervalFrames);
  const columns = Math.min(SHEET_SIDE_TILES, places);
  const rows = Math.min(SHEET_SIDE_TILES, Math.ceil(places / columns));
  const factor = Math.min(1, TILE_LONG_SIDE_PIXELS / Math.max(picture.width, picture.height));
  const tile = evenSize({ width: picture.width * factor, height: picture.height * factor });
  return {
    intervalFrames,
    tileWidth: tile.width,
    tileHeight: tile.height,
    columns,
    rows,
    tileCount,
    sheetCount: Math.ceil(places / (columns * rows)),
  };
}

function intervalOf(frames: number, { gopFrames, segmentFrames }: Grid): number {
  if (frames <= MAX_TILES_PER_GOP * gopFrames) return gopFrames;
  return segmentFrames * Math.ceil(frames / (MAX_TILES * segmentFrames));
}

/** How many tiles show a frame of a run: first (inclusive), end (exclusive). */
export function tilesWithin(
  { intervalFrames }: PlannedThumbnails,
  { firstFrame, endFrame }: { firstFrame: number; endFrame: number },
): number {
  return Math.ceil(endFrame / intervalFrames) - Math.ceil(firstFrame / intervalFrames);
}
