// The adaptation set of picture sheets (DASH-IF IOP part 8, thumbnail tracks), which Media3, Shaka and dash.js
// show while a viewer scrubs. Pure.
import type { ImageTrack } from './manifest-tracks.ts';
import { thumbnailTemplate } from './object-keys.ts';
import { tilesPerSheet } from './storyboard.ts';

const TILE_SCHEME = 'http://dashif.org/guidelines/thumbnail_tile';

/** Lines of the set, indented for a Period. */
export function imageSet(images: ImageTrack, id: number): string[] {
  const { columns, rows, tileWidth, tileHeight, timescale, tileTicks, bandwidthBps, stem } = images;
  const sheetTicks = tileTicks * tilesPerSheet(images);
  // No endNumber: mpd-parser takes it for a count.
  const template = `timescale="${timescale}" duration="${sheetTicks}" startNumber="0" media="${thumbnailTemplate()}"`;
  const representation = `id="${stem}" bandwidth="${bandwidthBps}" width="${columns * tileWidth}" height="${rows * tileHeight}"`;
  return [
    `    <AdaptationSet id="${id}" contentType="image" mimeType="image/jpeg">`,
    `      <SegmentTemplate ${template}/>`,
    `      <Representation ${representation}>`,
    `        <EssentialProperty schemeIdUri="${TILE_SCHEME}" value="${columns}x${rows}"/>`,
    '      </Representation>',
    '    </AdaptationSet>',
  ];
}
