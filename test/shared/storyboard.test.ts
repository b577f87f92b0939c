import { describe, expect, it } from 'vitest';
import type { ImageTrack } from '../../shared/manifest-tracks.ts';
import { planThumbnails, tilesWithin } from '../../shared/plan-thumbnails.ts';
import { storyboardVtt } from '../../shared/storyboard.ts';

const GRID = { gopFrames: 60, segmentFrames: 180, segmentCount: 1 };
const WIDE = { width: 426, height: 240 };
const minutes = (count: number) => count * 60 * 30;

/** The plan of so many frames at 30 per second, with sound that lasts `outlastsSeconds` longer. */
const planned = (totalFrames: number, picture = WIDE, outlastsSeconds = 0) => {
  const durationSeconds = totalFrames / 30 + outlastsSeconds;
  return planThumbnails({ totalFrames, durationSeconds, fps: { num: 30, den: 1 } }, GRID, picture);
};

describe('planning thumbnails', () => {
  it('takes one per key picture of a short video, one per segment of a long one, fewer of a very long one', () => {
    const intervals = [1, 9, 11, 120, 12 * 60].map((count) => {
      const { intervalFrames, tileCount } = planned(minutes(count));
      return [intervalFrames, tileCount];
    });
    expect(intervals).toEqual([
      [60, 30],
      [60, 270],
      [180, 110],
      [180, 1200],
      [5 * 180, 1440],
    ]);
  });

  it('keeps the shape of the picture within 240 pixels, and enlarges nothing', () => {
    const sizes = [
      WIDE,
      { width: 240, height: 426 },
      { width: 1000, height: 100 },
      { width: 64, height: 48 },
    ];
    const tiles = sizes.map((size) => planned(600, size));
    expect(tiles.map(({ tileWidth, tileHeight }) => `${tileWidth}x${tileHeight}`)).toEqual([
      '240x136',
      '136x240',
      '240x24',
      '64x48',
    ]);
  });

  it('makes sheets no larger than needed, up to the end of the sound and a little more', () => {
    const sheet = (tiles: number, outlastsSeconds = 0) => {
      const { columns, rows, sheetCount } = planned(tiles * 60, WIDE, outlastsSeconds);
      return [columns, rows, sheetCount];
    };
    expect([1, 3, 7, 24].map((tiles) => sheet(tiles))).toEqual([
      [2, 1, 1],
      [4, 1, 1],
      [5, 2, 1],
      [5, 5, 1],
    ]);
    // 25 tiles fill a sheet; the last instant of sound is asked for on the next.
    expect(sheet(25)).toEqual([5, 5, 2]);
    expect(sheet(3, 60)).toEqual([5, 5, 2]);
  });

  it('counts each tile in exactly one run of frames, wherever runs begin', () => {
    for (const intervalFrames of [10, 30, 60, 90]) {
      const thumbnails = { ...planned(130), intervalFrames };
      const cuts = [0, 30, 60, 90, 130];
      const counts = cuts.slice(1).map((endFrame, run) => {
        return tilesWithin(thumbnails, { firstFrame: cuts[run]!, endFrame });
      });
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(Math.ceil(130 / intervalFrames));
    }
  });
});

describe('the storyboard', () => {
  // One tile every 60 frames of 29.97: 2.002 s.
  const images: ImageTrack = {
    ...{ stem: 'thumb', tileWidth: 240, tileHeight: 136, columns: 2, rows: 2, tileCount: 6, sheetCount: 2 },
    ...{ timescale: 30_000, tileTicks: 60_060, bandwidthBps: 1 },
  };

  it('names sheet, place and time of every tile, up to the end of the video', () => {
    const cues = storyboardVtt(images, 11.011).split('\n\n');
    expect(cues[0]).toBe('WEBVTT');
    expect(cues[2]).toBe('00:00:02.002 --> 00:00:04.004\nthumb_000.jpg#xywh=240,0,240,136');
    expect(cues[4]).toBe('00:00:06.006 --> 00:00:08.008\nthumb_000.jpg#xywh=240,136,240,136');
    expect(cues[6]).toBe('00:00:10.010 --> 00:00:11.011\nthumb_001.jpg#xywh=240,0,240,136\n');
    expect(cues).toHaveLength(7);
  });

  it('counts hours', () => {
    const long = { ...images, tileCount: 2, timescale: 1, tileTicks: 3723 };
    expect(storyboardVtt(long, 7000)).toContain('01:02:03.000 --> 01:56:40.000');
  });
});
