// A small version of what `npm run bench -- recommend` measures, on the numbers that no machine changes.
import { describe, expect, it } from 'vitest';
import { chooseRanking } from '../../transcoder/recommend/choose-ranking.ts';
import { holdOut } from '../../transcoder/recommend/recall.ts';
import { asInteractions, chosenRecallsOf, recallsOf, settingsFor } from '../support/recommend-recall.ts';
import { generateHistory } from '../support/watch-history.ts';

it('finds more of what was held out than popularity and item-cosine do', async () => {
  const history = generateHistory({ viewers: 1500, items: 800, events: 50_000 });
  const { als, cosine, popularity } = await recallsOf(
    history,
    settingsFor(history.train, history.items, 32),
    1,
  );
  expect(als / popularity).toBeGreaterThanOrEqual(1.5);
  expect(als / cosine).toBeGreaterThanOrEqual(1);
  // The history can be learned, and not by chance: twenty of 800 videos would be a fortieth.
  expect(popularity).toBeGreaterThan(0.05);
});

it('generates the same history at every run, and holds out what is not in it', () => {
  const [one, two] = [generateHistory(SMALL), generateHistory(SMALL)];
  expect(one).toEqual(two);
  const { train, heldOut } = one;
  for (const [viewer, wanted] of heldOut.entries()) {
    const kept = train.columns.subarray(train.offsets[viewer], train.offsets[viewer + 1]);
    expect(wanted.some((item) => kept.includes(item))).toBe(false);
  }
  expect(heldOut.flat().length).toBeGreaterThan(50);
});

describe('a small library', () => {
  it.each([
    { watches: 'few', events: 2400, ranking: 'neighbours' },
    { watches: 'many', events: 6000, ranking: 'factors' },
  ] as const)('of $watches watches is ranked by $ranking, as well as by item-cosine', async (library) => {
    const history = generateHistory({ viewers: 200, items: 100, events: library.events });
    const { served, cosine, popularity, choice } = await chosenRecallsOf(history, 1);
    expect(choice.ranking).toBe(library.ranking);
    expect(served).toBeGreaterThanOrEqual(cosine);
    expect(served).toBeGreaterThan(popularity);
    expect(choice.recall!.factors).toBeGreaterThan(0);
  });

  it('takes the lambda that finds most, which is not the largest', async () => {
    const { train, items } = generateHistory({ viewers: 200, items: 100, events: 6000 });
    const usual = settingsFor(train, items, 12);
    const { lambda } = await chooseRanking(asInteractions(train, items), usual, TRAINING);
    expect(lambda).toBeLessThan(usual.lambda);
  });

  it('is one up to a size: beyond that nothing is tried', async () => {
    const { train, items } = generateHistory({ viewers: 5000, items: 2000, events: 10_000 });
    const usual = settingsFor(train, items, 64);
    expect(await chooseRanking(asInteractions(train, items), usual, TRAINING)).toEqual({
      lambda: usual.lambda,
      ranking: 'factors',
    });
  });

  it('holds each entry out once, and trains with the others', () => {
    const { train } = generateHistory(SMALL, { heldOutShare: 0 });
    const parts = [0, 1, 2].map((part) => holdOut(train, part, 3));
    for (const [viewer] of parts[0]!.heldOut.entries()) {
      const all = [...train.columns.subarray(train.offsets[viewer], train.offsets[viewer + 1])].toSorted();
      expect(parts.flatMap(({ heldOut }) => heldOut[viewer]!).toSorted()).toEqual(all);
      for (const { train: kept, heldOut } of parts) {
        const rest = kept.columns.subarray(kept.offsets[viewer], kept.offsets[viewer + 1]);
        expect([...rest, ...heldOut[viewer]!].toSorted()).toEqual(all);
      }
    }
  });
});

const TRAINING = { iterations: 15, threads: 1 };
const SMALL = { viewers: 50, items: 40, events: 500 };
