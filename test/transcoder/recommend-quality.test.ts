// A small version of what `npm run bench -- recommend` measures, on the numbers that no machine changes.
import { expect, it } from 'vitest';
import { recallsOf, settingsFor } from '../support/recommend-recall.ts';
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

const SMALL = { viewers: 50, items: 40, events: 500 };
