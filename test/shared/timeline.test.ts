import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chunkRuns,
  frameTicks,
  segmentFrameRange,
  segmentGrid,
  snapFrameRate,
  timescaleOf,
} from '../../shared/timeline.ts';
import { tried } from '../support/properties.ts';

describe('snapping a frame rate', () => {
  it.each([
    [29.97, 30_000, 1001],
    [29.988, 30, 1],
    [30, 30, 1],
    [23.976, 24_000, 1001],
    [24, 24, 1],
    [12.5, 25, 2],
    [14.9, 15, 1],
    [59.94, 60_000, 1001],
    [119.88, 60_000, 1001],
    [120, 60, 1],
    [144, 48, 1],
    [100, 50, 1],
    [90, 60, 1],
    [1_000_000, 60, 1],
    [7.4, 10, 1],
    [1, 10, 1],
    [20, 24_000, 1001],
    [33, 48, 1],
    [Number.NaN, 25, 1],
    [0, 25, 1],
    [Number.POSITIVE_INFINITY, 25, 1],
  ])('makes %f into %i/%i', (measured, num, den) => {
    expect(snapFrameRate(measured)).toEqual({ num, den });
  });

  it('never drops a picture of a rate up to 60', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 60, noNaN: true }), (measured) => {
        const { num, den } = snapFrameRate(measured);
        expect(num / den).toBeGreaterThanOrEqual(measured * 0.98);
        expect(num / den).toBeLessThanOrEqual(60);
      }),
      tried(),
    );
  });
});

const RATES = [
  { num: 10, den: 1 },
  { num: 25, den: 2 },
  { num: 24_000, den: 1001 },
  { num: 25, den: 1 },
  { num: 30_000, den: 1001 },
  { num: 48, den: 1 },
  { num: 60_000, den: 1001 },
];

describe('the grid', () => {
  it.each(RATES)('has a whole number of ticks per frame at $num/$den', (fps) => {
    expect(Number.isInteger(frameTicks(fps))).toBe(true);
    expect((frameTicks(fps) * fps.num) / fps.den).toBeCloseTo(timescaleOf(fps), 6);
  });

  it('covers every frame once, in segments of whole GOPs but the last', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RATES),
        fc.integer({ min: 1, max: 20_000 }),
        fc.double({ min: 2, max: 12, noNaN: true }),
        (fps, frames, seconds) => {
          const grid = segmentGrid(frames, fps, seconds);
          let next = 0;
          for (let index = 0; index < grid.segmentCount; index++) {
            const { firstFrame, endFrame } = segmentFrameRange(index, grid, frames);
            expect(firstFrame).toBe(next);
            expect(endFrame).toBeGreaterThan(firstFrame);
            expect(endFrame - firstFrame).toBeLessThan(grid.segmentFrames + grid.gopFrames / 2);
            if (index < grid.segmentCount - 1) expect((endFrame - firstFrame) % grid.gopFrames).toBe(0);
            next = endFrame;
          }
          expect(next).toBe(frames);
        },
      ),
      tried(50),
    );
  });

  it('gives a remainder below half a GOP to the segment before it', () => {
    const fps = { num: 30, den: 1 };
    expect(segmentGrid(360 + 29, fps, 6).segmentCount).toBe(2);
    expect(segmentGrid(360 + 30, fps, 6).segmentCount).toBe(3);
    expect(segmentGrid(1, fps, 6).segmentCount).toBe(1);
  });

  it('makes chunks of 1, 2, 4, then 8 segments', () => {
    expect(chunkRuns(24).map(({ segmentCount }) => segmentCount)).toEqual([1, 2, 4, 8, 8, 1]);
    expect(chunkRuns(1)).toEqual([{ firstSegment: 0, segmentCount: 1 }]);
  });
});
