import { describe, expect, it } from 'vitest';
import {
  canAnnounceEarly,
  earlyPrefix,
  encodingSpeed,
  firstShown,
  type GrowthTask,
  instantPrefixOf,
  releaseReserve,
  shownAt,
} from '../../worker/jobs/growth-rule.ts';

const NOW = 10_000;
const SEGMENT_SECONDS = 6;

type Row = [mark: number, segments: number, startedAgo?: number, finishedAgo?: number];

/** One row per chunk; left to itself a chunk that is done was done when the next began. */
function chunks(...rows: Row[]): GrowthTask[] {
  return rows.map(([mark, segments, ago, finishedAgo], idx) => ({
    ...{ kind: 'chunk', idx, segments, mark, state: mark === segments ? 'done' : 'running' },
    startedAt: ago === undefined ? null : NOW - ago,
    finishedAt: mark === segments ? NOW - (finishedAgo ?? rows[idx + 1]?.[2] ?? 0) : null,
  }));
}

function audio(mark: number, state: GrowthTask['state'] = 'running'): GrowthTask {
  return { kind: 'audio', idx: 0, segments: 20, mark, state, startedAt: NOW - 1, finishedAt: null };
}

describe('what is there from the start on', () => {
  it.each<[string, GrowthTask[], number, boolean]>([
    ['nothing of no tasks', [], 0, false],
    ['a chunk counts when those before it are whole', chunks([1, 1], [2, 2], [1, 4]), 4, false],
    ['a chunk behind a gap does not', chunks([1, 1], [1, 2], [4, 4]), 2, false],
    ['one order of rows is as good as another', chunks([1, 1], [1, 2], [4, 4]).reverse(), 2, false],
    ['sound that is behind holds it up', [...chunks([1, 1], [2, 2], [1, 4]), audio(3)], 2, false],
    [
      'sound that is done does not, however short',
      [...chunks([1, 1], [2, 2], [1, 4]), audio(1, 'done')],
      4,
      false,
    ],
    ['the whole', chunks([1, 1], [2, 2]), 3, true],
    ['not the whole while sound may follow', [...chunks([1, 1], [2, 2]), audio(9)], 3, false],
    ['the whole with its sound', [...chunks([1, 1], [2, 2]), audio(3, 'done')], 3, true],
  ])('%s', (_title, tasks, segments, isWhole) => {
    expect(earlyPrefix(tasks)).toMatchObject({ segments, isWhole });
  });

  it('of a copy is its own mark', () => {
    const task: GrowthTask = { ...audio(4), kind: 'instant', segments: 5 };
    expect(instantPrefixOf([task, ...chunks([0, 1])])).toEqual({ segments: 4, total: 5, isWhole: false });
    expect(instantPrefixOf([{ ...task, mark: 5 }])).toMatchObject({ isWhole: true });
    expect(instantPrefixOf(chunks([1, 1]))).toMatchObject({ segments: 0, isWhole: false });
  });
});

describe('the ladder may be announced', () => {
  it.each<[string, boolean, GrowthTask[]]>([
    ['with three segments at real time', true, chunks([1, 1, 18], [2, 2, 12], [0, 4])],
    ['not with two', false, chunks([1, 1, 6], [1, 2, 3], [0, 4])],
    ['with two where that is the whole', true, chunks([1, 1, 6], [1, 1, 3])],
    ['not below real time', false, chunks([1, 1, 20], [2, 2, 13], [0, 4])],
    ['not below real time though it is the whole', false, chunks([1, 1, 20], [2, 2, 13])],
    [
      'at the rate held since a later start, the sound having had its turn',
      true,
      chunks([1, 1, 90, 84], [2, 2, 10], [0, 4]),
    ],
    ['not on the strength of one quick segment', false, chunks([1, 1, 90], [2, 2, 60], [1, 4, 3])],
    ['not while its sound is behind', false, [...chunks([1, 1, 18], [2, 2, 12], [0, 4]), audio(3)]],
    ['with its sound one further', true, [...chunks([1, 1, 18], [2, 2, 12], [0, 4]), audio(4)]],
    // Together they keep up, but for two minutes the first is alone at what comes next.
    [
      'not yet where each of two is slower',
      false,
      chunks([1, 1, 20, 10], [2, 2, 20, 0], [1, 4, 10], [0, 8, 0]),
    ],
    [
      'where each of two is slower, with the lead that takes',
      true,
      chunks([1, 1, 50, 40], [2, 2, 50, 30], [4, 4, 40, 0], [3, 8, 30]),
    ],
  ])('%s', (_title, isAnnounced, tasks) => {
    expect(canAnnounceEarly(tasks, NOW, SEGMENT_SECONDS)).toBe(isAnnounced);
  });

  it('measures speed over the best run up to now', () => {
    expect(encodingSpeed(chunks([1, 1, 18], [2, 2, 12]), NOW, SEGMENT_SECONDS)).toBe(1);
    expect(encodingSpeed(chunks([1, 1, 180], [2, 2, 4]), NOW, SEGMENT_SECONDS)).toBe(3);
    expect(encodingSpeed(chunks([0, 1, 3]), NOW, SEGMENT_SECONDS)).toBe(0);
  });
});

describe('a growing list', () => {
  const prefix = (segments: number, total = 100) => ({ segments, total, isWhole: segments === total });
  const shown = firstShown(prefix(5), NOW, 1.1, SEGMENT_SECONDS);

  it('begins with three segments and gets one more in the time it takes to watch one', () => {
    expect(shown).toEqual({ segments: 3, at: NOW, dripSeconds: 6 });
    const seen = [0, 5, 6, 11, 12].map((after) => shownAt(shown, prefix(50), NOW + after));
    expect(seen).toEqual([3, 3, 4, 4, 5]);
  });

  it('is a little faster than it is watched where the encoder is, and keeps the rest back', () => {
    expect(firstShown(prefix(5), NOW, 1.5, SEGMENT_SECONDS).dripSeconds).toBeCloseTo(5);
    expect(firstShown(prefix(5), NOW, 50, SEGMENT_SECONDS).dripSeconds).toBeCloseTo(4.8);
  });

  it('shows nothing that is not there, and all of it once that is everything', () => {
    expect(shownAt(shown, prefix(4), NOW + 600)).toBe(4);
    expect(shownAt(shown, prefix(100), NOW)).toBe(100);
  });

  it('goes on through an outage on what was kept back, one segment per drip', () => {
    // Two minutes in hand at 6 s each; nobody commits any more.
    const at = releaseReserve(shown, prefix(60), NOW + 60, 120)!;
    expect(at.segments).toBe(40);
    const seen = [0, 6, 12, 119, 120, 500].map((after) => shownAt(at, prefix(60), NOW + 60 + after));
    expect(seen).toEqual([40, 41, 42, 59, 60, 60]);
  });

  it('gives nothing out of a reserve that is not full', () => {
    expect(releaseReserve(shown, prefix(20), NOW + 6, 120)).toBeUndefined();
    expect(releaseReserve(shown, prefix(25), NOW + 6, 120)).toMatchObject({ segments: 5 });
  });

  it('never shows less than before, whatever the encoder does', () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let run = 0; run < 20; run++) {
      let state = firstShown(prefix(3), 0, 0.5 + 3 * random(), SEGMENT_SECONDS);
      let durable = 3;
      let last = 0;
      for (let now = 0; now < 300; now++) {
        const isDown = random() < 0.3;
        if (!isDown && random() < 0.5) durable = Math.min(100, durable + Math.floor(4 * random()));
        state = releaseReserve(state, prefix(durable), now, 60) ?? state;
        const visible = shownAt(state, prefix(durable), now);
        if (visible < last || visible > durable) throw new Error(`${last} became ${visible} of ${durable}`);
        last = visible;
      }
      expect(last).toBeGreaterThan(3);
    }
  });

  it('does not stand still for a target duration while it has anything in reserve', () => {
    let state = firstShown(prefix(3), 0, 3, SEGMENT_SECONDS);
    let last = 3;
    let changedAt = 0;
    for (let now = 0; now < 600; now++) {
      // Three times real time, and a whole lease lost in the middle.
      const durable = Math.floor(3 + Math.min(now, 240) / 2 + Math.max(0, now - 340) / 2);
      state = releaseReserve(state, prefix(durable, 1000), now, 120) ?? state;
      const visible = shownAt(state, prefix(durable, 1000), now);
      if (visible > last) [last, changedAt] = [visible, now];
      expect(now - changedAt).toBeLessThanOrEqual(SEGMENT_SECONDS);
    }
    expect(last).toBeGreaterThan(200);
  });
});
