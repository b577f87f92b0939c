// A watch history generated from known tastes: viewers and videos have hidden factors, some videos are popular
// whatever they are, and part of what is watched is chance. The same at every run.
import type { SparseRows } from '../../shared/recommend-als.ts';
import { sharedRows } from '../../transcoder/recommend/interactions.ts';
import type { SplitHistory } from '../../transcoder/recommend/recall.ts';
import { randomOf } from './random.ts';

export type HistorySize = { viewers: number; items: number; events: number };

export type History = SplitHistory & { items: number };

const TASTES = 12;
/** How much a video's popularity says beside a viewer's taste for it. */
const POPULARITY_SPREAD = 1;
const TASTE_STRENGTH = 5;
const CHANCE_SHARE = 0.1;

export function generateHistory(
  { viewers, items, events }: HistorySize,
  { heldOutShare = 0.2, seed = 7 } = {},
): History {
  const random = randomOf(seed);
  const itemTastes = Array.from({ length: items }, () => taste(random));
  const popularity = Array.from({ length: items }, () => POPULARITY_SPREAD * normal(random));
  const perViewer = events / viewers;
  const rows: { item: number; weight: number }[][] = [];
  const heldOut: number[][] = [];
  const odds = new Float64Array(items);
  for (let viewer = 0; viewer < viewers; viewer++) {
    const own = taste(random);
    let total = 0;
    for (let item = 0; item < items; item++) {
      total += Math.exp(TASTE_STRENGTH * dot(own, itemTastes[item]!) + popularity[item]!);
      odds[item] = total;
    }
    const watched = new Map<number, number>();
    // From half as many to half as many again.
    const count = Math.round(perViewer * (0.5 + random()));
    for (let trial = 0; watched.size < count && trial < 20 * count; trial++) {
      const isChance = random() < CHANCE_SHARE;
      const item = isChance ? Math.floor(random() * items) : placeOf(odds, random() * total);
      const liking = isChance ? 0.3 : 0.5 + 0.5 * Math.max(0, dot(own, itemTastes[item]!));
      watched.set(item, Math.min(1, Math.max(0.05, liking + 0.15 * normal(random))));
    }
    const entries = [...watched].map(([item, weight]) => ({ item, weight }));
    const kept = entries.filter(() => random() >= heldOutShare);
    const left = new Set(kept);
    rows.push(kept);
    heldOut.push(entries.filter((entry) => !left.has(entry)).map(({ item }) => item));
  }
  return { train: sparse(rows), heldOut, items };
}

function sparse(rows: { item: number; weight: number }[][]): SparseRows {
  const result = sharedRows(
    rows.length,
    rows.reduce((sum, row) => sum + row.length, 0),
  );
  let at = 0;
  for (const [viewer, row] of rows.entries()) {
    for (const { item, weight } of row) {
      result.columns[at] = item;
      result.weights[at++] = weight;
    }
    result.offsets[viewer + 1] = at;
  }
  return result;
}

/** A direction of length one. */
function taste(random: () => number): number[] {
  const values = Array.from({ length: TASTES }, () => normal(random));
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

function dot(a: number[], b: number[]): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** The first place whose running total is above the value. */
function placeOf(totals: Float64Array, value: number): number {
  let low = 0;
  let high = totals.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (totals[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
