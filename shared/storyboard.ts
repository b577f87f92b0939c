// The storyboard: which part of which sheet shows which moment, as WebVTT (W3C) with media fragments
// (`#xywh=`), the form that web players read. Pure.
import type { ImageTrack } from './manifest-tracks.ts';
import { thumbnailName } from './object-keys.ts';
import { vttTime } from './webvtt.ts';

/** @param durationSeconds Of the video; the last cue ends there. */
export function storyboardVtt(images: ImageTrack, durationSeconds: number): string {
  const { tileCount, tileTicks, timescale } = images;
  const endMs = Math.round(durationSeconds * 1000);
  const startMs = (tile: number) => Math.min(endMs, Math.round((tile * tileTicks * 1000) / timescale));
  const cues = Array.from({ length: tileCount }, (_, tile) => {
    const until = tile === tileCount - 1 ? endMs : startMs(tile + 1);
    return `${vttTime(startMs(tile))} --> ${vttTime(until)}\n${tileUri(images, tile)}\n`;
  });
  return `WEBVTT\n\n${cues.join('\n')}`;
}

export function tilesPerSheet({ columns, rows }: Pick<ImageTrack, 'columns' | 'rows'>): number {
  return columns * rows;
}

function tileUri(images: ImageTrack, tile: number): string {
  const { columns, tileWidth, tileHeight } = images;
  const place = tile % tilesPerSheet(images);
  const x = (place % columns) * tileWidth;
  const y = Math.floor(place / columns) * tileHeight;
  const sheet = Math.floor(tile / tilesPerSheet(images));
  return `${thumbnailName(sheet)}#xywh=${x},${y},${tileWidth},${tileHeight}`;
}
