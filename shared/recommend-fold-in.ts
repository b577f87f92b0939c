// A viewer's factors from what they have watched until now, by the half step of training that made everyone
// else's; scores of all videos from these; and which of the watched videos a score is owed to.
import {
  type AlsSettings,
  createWorkspace,
  type Factors,
  type SparseRows,
  solveCholesky,
  solveRow,
} from './recommend-als.ts';

/** Factors of all items in a byte each: `values[i * factors + f] * scales[i]`. */
export type QuantizedFactors = { scales: Float32Array; values: Int8Array };

/** What a viewer has watched: indexes of items, and a weight each. */
export type History = { items: Uint32Array; weights: Float32Array };

export type FoldedViewer = {
  factors: Float64Array;
  /** How much of `item`'s score each entry of the history gives; they add up to the score. */
  contributions(item: Float64Array): Float64Array;
};

/** `itemFactors` are those of the history's items alone, one after another in its order. */
export function foldIn(
  history: History,
  itemFactors: Factors,
  gram: Float64Array,
  settings: Pick<AlsSettings, 'factors' | 'alpha'>,
): FoldedViewer {
  const count = history.items.length;
  const entries: SparseRows = {
    offsets: Uint32Array.of(0, count),
    columns: Uint32Array.from({ length: count }, (_, index) => index),
    weights: history.weights,
  };
  const workspace = createWorkspace(settings.factors);
  const factors = solveRow(entries, 0, count, itemFactors, gram, settings, workspace).slice();
  return {
    factors,
    contributions(item) {
      const solved = item.slice();
      solveCholesky(workspace.system, settings.factors, solved);
      return Float64Array.from({ length: count }, (_, entry) => {
        let dot = 0;
        for (let f = 0; f < settings.factors; f++)
          dot += itemFactors[entry * settings.factors + f]! * solved[f]!;
        return dot * (1 + settings.alpha * history.weights[entry]!);
      });
    },
  };
}

export function quantize(rows: Float32Array, factors: number): QuantizedFactors {
  const count = rows.length / factors;
  const scales = new Float32Array(count);
  const values = new Int8Array(rows.length);
  for (let item = 0; item < count; item++) {
    const at = item * factors;
    let largest = 0;
    for (let f = 0; f < factors; f++) largest = Math.max(largest, Math.abs(rows[at + f]!));
    const scale = Math.fround(largest / 127);
    scales[item] = scale;
    if (scale === 0) continue;
    for (let f = 0; f < factors; f++) values[at + f] = Math.round(rows[at + f]! / scale);
  }
  return { scales, values };
}

/** The factors of the named items as numbers again. */
export function dequantize(
  { scales, values }: QuantizedFactors,
  factors: number,
  items: ArrayLike<number>,
): Float64Array {
  const rows = new Float64Array(items.length * factors);
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    for (let f = 0; f < factors; f++) rows[index * factors + f] = values[item * factors + f]! * scales[item]!;
  }
  return rows;
}

export type ScoredItem = { item: number; score: number };

/** The `limit` items with the highest scores, best first; `skipped` are left out. */
export function topItems(
  viewer: Float64Array,
  { scales, values }: QuantizedFactors,
  limit: number,
  skipped: ReadonlySet<number> = new Set(),
): ScoredItem[] {
  const factors = viewer.length;
  const best: ScoredItem[] = [];
  let threshold = Number.NEGATIVE_INFINITY;
  for (let item = 0, at = 0; item < scales.length; item++, at += factors) {
    // Four sums do not wait for one another.
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let f = 0;
    for (; f + 4 <= factors; f += 4) {
      a += viewer[f]! * values[at + f]!;
      b += viewer[f + 1]! * values[at + f + 1]!;
      c += viewer[f + 2]! * values[at + f + 2]!;
      d += viewer[f + 3]! * values[at + f + 3]!;
    }
    for (; f < factors; f++) a += viewer[f]! * values[at + f]!;
    const score = (a + b + c + d) * scales[item]!;
    if (score <= threshold || skipped.has(item)) continue;
    insertSorted(best, { item, score }, limit);
    if (best.length === limit) threshold = best[limit - 1]!.score;
  }
  return best;
}

function insertSorted(best: ScoredItem[], scored: ScoredItem, limit: number): void {
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (best[middle]!.score >= scored.score) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, scored);
  if (best.length > limit) best.pop();
}
