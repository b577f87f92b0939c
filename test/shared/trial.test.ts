import { describe, expect, test } from 'vitest';
import { averageBpsOf, pruneRungs } from '../../shared/trial.ts';
import { trialWindows } from '../../shared/trial-windows.ts';

describe('a ladder after its trial', () => {
  test.each([
    ['rungs that differ', [100, 200, 400, 800], [true, true, true, true]],
    ['two neighbours alike: the lower goes', [100, 200, 219, 800], [true, false, true, true]],
    ['two neighbours a little more than 1.1 times apart', [100, 200, 221, 800], [true, true, true, true]],
    ['the top and the one below alike: the top stays', [100, 200, 300, 310], [true, true, false, true]],
    ['the lowest and its neighbour alike: the lowest stays', [100, 101, 300, 800], [true, true, true, true]],
    ['all alike', [100, 100, 100, 100], [true, false, false, true]],
    ['a rung that takes more than the one above it', [100, 300, 200, 800], [true, false, true, true]],
    ['a slow climb, each compared with the next that stays', [100, 200, 210, 230], [true, true, false, true]],
    ['two rungs alike', [100, 100], [true, true]],
    ['one rung', [100], [true]],
    ['nothing at all', [], []],
  ])('%s', (_, averageBps, isKept) => {
    expect(pruneRungs(averageBps)).toEqual(isKept);
  });

  test('always has its top and its lowest, and neighbours apart', () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    for (let round = 0; round < 500; round++) {
      const rates = Array.from({ length: 1 + Math.floor(random() * 7) }, () => 1 + random() * 5);
      const isKept = pruneRungs(rates);
      expect(isKept[0]).toBe(true);
      expect(isKept.at(-1)).toBe(true);
      const kept = rates.filter((_rate, index) => isKept[index]).slice(1);
      for (const [index, rate] of kept.slice(1).entries())
        expect(rate).toBeGreaterThanOrEqual(1.1 * kept[index]!);
    }
  });
});

test('bits per second are those of whole GOPs: the key picture counts once', () => {
  // 1000 + 59 × 100 bytes in 2 s, whether all or three of its pictures were tried.
  expect(averageBpsOf([[1000, ...Array<number>(59).fill(100)]], 60, 30)).toBe(27_600);
  expect(averageBpsOf([[1000, 100, 100]], 60, 30)).toBe(27_600);
  expect(
    averageBpsOf(
      [
        [1000, 100, 100],
        [3000, 300],
      ],
      60,
      30,
    ),
  ).toBe(55_200);
  expect(averageBpsOf([[1000]], 1, 10)).toBe(80_000);
});

describe('what is tried', () => {
  const film = (totalFrames: number, heights = [240, 360, 480, 720]) => ({
    fps: { num: 30, den: 1 },
    totalFrames,
    gopFrames: 60,
    renditions: heights.map((height) => ({
      ...{ name: `${height}p`, width: Math.round((height * 16) / 9), height },
      ...{ crf: 23, maxBitrateBps: 1, bufferBits: 1 },
    })),
  });
  const keys = (seconds: number, step = 2) =>
    Array.from({ length: seconds / step }, (_, index) => index * step);

  test('lies spread over the film, a second after key frames of the source', () => {
    const windows = trialWindows(film(1800), keys(60));
    expect(windows.map(({ firstFrame }) => firstFrame)).toEqual([270, 870, 1470]);
    expect(new Set(windows.map(({ frames }) => frames))).toEqual(new Set([11]));
  });

  test.each([
    ['a film too short to save anything', film(200), keys(6)],
    ['a ladder whose rungs all stay anyway', film(1800, [240, 720]), keys(60)],
    ['a source without an index', film(1800), []],
  ])('is nothing of %s', (_, of, keyFrames) => {
    expect(trialWindows(of, keyFrames)).toEqual([]);
  });

  test('is less of larger pictures, and never outside the film', () => {
    const large = trialWindows(film(1800, [240, 360, 480, 720, 1080]), keys(60));
    expect(large[0]!.frames).toBe(8);
    for (const { firstFrame, frames } of trialWindows(film(360), keys(12))) {
      expect(firstFrame + frames).toBeLessThanOrEqual(360);
    }
    expect(trialWindows(film(1800), [0])).toHaveLength(1);
  });
});
