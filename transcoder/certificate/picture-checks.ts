// Are the pictures for scrubbing where they are said to be: key pictures by byte range, tiles by sheet and place?
import {
  iframePlaylistName,
  initName,
  segmentName,
  thumbnailName,
  thumbnailTemplate,
} from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import type { FinishedTracks, FinishedVideo } from '../tracks.ts';
import type { Checklist } from './checklist.ts';
import {
  type ReadCue,
  readIframePlaylist,
  readIframeVariants,
  readImageSet,
  readStoryboard,
} from './read-pictures.ts';

const EXTINF_TOLERANCE_SECONDS = 0.000_002;

/** @param textOf Gives the text of a document of the generation. */
export function checkIframes(
  list: Checklist,
  { video }: FinishedTracks,
  master: string,
  textOf: (name: string) => string,
): void {
  const variants = readIframeVariants(master);
  const read = video.map((track) => ({
    track,
    keys: keysOf(track),
    playlist: readIframePlaylist(textOf(iframePlaylistName(track.stem))),
  }));
  list.each('iframe-ranges', read, ({ track, keys, playlist }) => {
    const isWhole = playlist.isIframesOnly && playlist.hasEnd && playlist.mapUri === initName(track.stem);
    const named = playlist.pictures.map(
      ({ uri, offsetBytes, sizeBytes }) => `${uri} ${sizeBytes}@${offsetBytes}`,
    );
    const stored = keys.map(({ uri, offsetBytes, sizeBytes }) => `${uri} ${sizeBytes}@${offsetBytes}`);
    return isWhole && keys.length > 0 && named.join() === stored.join()
      ? undefined
      : `${track.stem} has an I-frame playlist that is not its ${keys.length} key pictures`;
  });
  list.each('iframe-durations', read, ({ track, keys, playlist }) => {
    const wrong = keys.findIndex(({ ticks }, index) => {
      const told = playlist.pictures[index]!.seconds;
      return (
        Math.abs(told - ticks / track.timescale) > EXTINF_TOLERANCE_SECONDS ||
        told > playlist.targetSeconds + 0.5
      );
    });
    return wrong === -1
      ? undefined
      : `${track.stem} key picture ${wrong} lasts otherwise than its EXTINF says`;
  });
  list.each('iframe-variants', read, ({ track, keys }) => {
    const told = variants.find(({ URI }) => URI === iframePlaylistName(track.stem));
    const isDescribed =
      told?.CODECS === track.codecs &&
      told.RESOLUTION === `${track.width}x${track.height}` &&
      variants.length === video.length;
    if (!isDescribed) return `the master does not describe the I-frame playlist of ${track.stem}`;
    // A picture that is shown for less than half as long as others counts with its neighbour (RFC 8216 §4.3.4.2).
    const longestTicks = Math.max(...keys.map(({ ticks }) => ticks));
    const rates = keys
      .filter(({ ticks }) => ticks * 2 >= longestTicks)
      .map(({ sizeBytes, ticks }) => (sizeBytes * 8 * track.timescale) / ticks);
    const bits = keys.reduce((sum, { sizeBytes }) => sum + sizeBytes * 8, 0);
    const average = (bits * track.timescale) / keys.reduce((sum, { ticks }) => sum + ticks, 0);
    return Number(told.BANDWIDTH) >= Math.floor(Math.max(...rates)) &&
      Math.abs(Number(told['AVERAGE-BANDWIDTH']) - average) <= 2
      ? undefined
      : `${track.stem} says ${told.BANDWIDTH} and ${told['AVERAGE-BANDWIDTH']} bit/s for key pictures of ${Math.ceil(average)}`;
  });
}

export function checkStoryboard(
  list: Checklist,
  plan: Plan,
  { images, pictures }: FinishedTracks,
  documents: { mpd: string | undefined; storyboard: string | undefined },
): void {
  const { thumbnails } = plan;
  if (!thumbnails || !images) return;
  const { tileWidth, tileHeight, columns, rows, tileCount, sheetCount: sheets } = thumbnails;
  const perSheet = columns * rows;
  list.each('storyboard-sheets', [pictures.sheets ?? []], (stored) =>
    stored.length === sheets && stored.every(({ name }, index) => name === thumbnailName(index))
      ? undefined
      : `${stored.length} of ${sheets} sheets are stored`,
  );
  const cues = readStoryboard(documents.storyboard ?? '');
  list.each('storyboard-complete', [cues.length], (count) =>
    count === tileCount ? undefined : `the storyboard has ${count} cues, not ${tileCount}`,
  );
  const startMs = (tile: number) =>
    Math.round(frameSeconds(Math.min(tile * thumbnails.intervalFrames, plan.totalFrames), plan.fps) * 1000);
  list.each('storyboard-times', cues, ({ startMs: start, endMs }, tile) =>
    start === startMs(tile) && endMs === startMs(tile + 1) ? undefined : `cue ${tile} shows another time`,
  );
  list.each('storyboard-places', cues, ({ uri, box }: ReadCue, tile) => {
    const place = tile % perSheet;
    const wanted = [
      (place % columns) * tileWidth,
      Math.floor(place / columns) * tileHeight,
      tileWidth,
      tileHeight,
    ];
    return uri === thumbnailName(Math.floor(tile / perSheet)) && box.join() === wanted.join()
      ? undefined
      : `cue ${tile} shows another tile`;
  });
  if (documents.mpd === undefined) return;
  list.each('image-set', [readImageSet(documents.mpd)], (set) => {
    const { template = {}, representation = {} } = set ?? {};
    const sheetSeconds = Number(template.duration) / Number(template.timescale);
    const isRight =
      set?.tiles === `${columns}x${rows}` &&
      representation.width === String(columns * tileWidth) &&
      representation.height === String(rows * tileHeight) &&
      template.media === thumbnailTemplate() &&
      template.startNumber === '0' &&
      Math.abs(sheetSeconds - frameSeconds(perSheet * thumbnails.intervalFrames, plan.fps)) < 1e-6;
    return isRight ? undefined : 'the MPD describes other sheets';
  });
}

type StoredKey = { uri: string; offsetBytes: number; sizeBytes: number; ticks: number };

/** From the facts alone. */
function keysOf({ stem, segments }: FinishedVideo): StoredKey[] {
  return segments.flatMap(({ index, keyTicks, keyRanges = [], startTicks, durationTicks }) =>
    keyTicks.map((tick, key) => ({
      uri: segmentName(stem, index),
      offsetBytes: keyRanges[key]?.offsetBytes ?? -1,
      sizeBytes: keyRanges[key]?.sizeBytes ?? -1,
      ticks: (keyTicks[key + 1] ?? startTicks + durationTicks) - tick,
    })),
  );
}
