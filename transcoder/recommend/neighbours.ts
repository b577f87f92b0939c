// Videos that the same viewers watch: the cosine of two videos' weights over viewers, with doubt about those that
// only few have watched both of.
import { type SparseRows, transpose } from '../../shared/recommend-als.ts';

/** Bounds of the work: whoever watches everything says little about what is alike. */
const MAX_VIEWERS_PER_ITEM = 2000;
const MAX_ITEMS_PER_VIEWER = 200;
/** As if that many viewers more had watched only one of the two. */
const DOUBT_VIEWERS = 5;

export type Neighbour = { item: number; similarity: number };

/** Of each item, the `limit` most similar ones, most similar first. */
export function neighboursOf(viewers: SparseRows, itemCount: number, limit: number): Neighbour[][] {
  const items = transpose(viewers, itemCount);
  const lengths = Float64Array.from({ length: itemCount }, (_, item) => lengthOf(items, item));
  const sums = new Float64Array(itemCount);
  const counts = new Uint32Array(itemCount);
  const all: Neighbour[][] = [];
  for (let item = 0; item < itemCount; item++) {
    const touched: number[] = [];
    for (const entry of strided(items, item, MAX_VIEWERS_PER_ITEM)) {
      const viewer = items.columns[entry]!;
      for (const other of strided(viewers, viewer, MAX_ITEMS_PER_VIEWER)) {
        const column = viewers.columns[other]!;
        if (column === item) continue;
        if (counts[column]!++ === 0) touched.push(column);
        sums[column]! += items.weights[entry]! * viewers.weights[other]!;
      }
    }
    const found = touched.map((column) => {
      const cosine = sums[column]! / (lengths[item]! * lengths[column]!);
      return { item: column, similarity: (cosine * counts[column]!) / (counts[column]! + DOUBT_VIEWERS) };
    });
    all.push(found.sort((a, b) => b.similarity - a.similarity || a.item - b.item).slice(0, limit));
    for (const column of touched) {
      sums[column] = 0;
      counts[column] = 0;
    }
  }
  return all;
}

function lengthOf({ offsets, weights }: SparseRows, row: number): number {
  let sum = 0;
  for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) sum += weights[entry]! ** 2;
  return Math.sqrt(sum);
}

/** Entries of a row, evenly picked where there are more than `most`. */
function* strided({ offsets }: SparseRows, row: number, most: number): Generator<number> {
  const from = offsets[row]!;
  const count = offsets[row + 1]! - from;
  const picked = Math.min(count, most);
  for (let index = 0; index < picked; index++) yield from + Math.floor((index * count) / picked);
}
