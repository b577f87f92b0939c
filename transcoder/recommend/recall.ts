// How much of what a viewer went on to watch a way of ranking would have shown: entries are held out of a history,
// and looked for among the first of what the rest of it leads to.
import type { SparseRows } from '../../shared/recommend-als.ts';
import type { Neighbour } from './neighbours.ts';

export type WatchedItems = { items: Uint32Array; weights: Float32Array };
/** The best items for someone who has watched these, best first, without them. */
export type Rank = (watched: WatchedItems) => number[];

export type SplitHistory = {
  train: SparseRows;
  /** Of each viewer, items that are not in `train`. */
  heldOut: number[][];
};

/** Holds out one of `parts` equal parts of the entries, the same at every run; no entry is in two of them. */
export function holdOut(
  { offsets, columns, weights }: SparseRows,
  part: number,
  parts: number,
): SplitHistory {
  const kept: number[] = [];
  const heldOut: number[][] = [];
  const ends = new Uint32Array(offsets.length);
  for (let viewer = 0; viewer + 1 < offsets.length; viewer++) {
    const out: number[] = [];
    for (let entry = offsets[viewer]!; entry < offsets[viewer + 1]!; entry++) {
      if (partOf(entry, parts) === part) out.push(columns[entry]!);
      else kept.push(entry);
    }
    heldOut.push(out);
    ends[viewer + 1] = kept.length;
  }
  const train = {
    offsets: ends,
    columns: Uint32Array.from(kept, (entry) => columns[entry]!),
    weights: Float32Array.from(kept, (entry) => weights[entry]!),
  };
  return { train, heldOut };
}

/** As if by chance: the finalizer of MurmurHash3. */
function partOf(entry: number, parts: number): number {
  let hash = entry + 1;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return Math.floor((((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * parts);
}

/**
 * Of each viewer of whom something was held out and something was not: the share of it that is among the first
 * `limit`, or of `limit` where there is more.
 */
export function recalls({ train, heldOut }: SplitHistory, limit: number, rank: Rank): number[] {
  const { offsets, columns, weights } = train;
  const shares: number[] = [];
  for (const [viewer, wanted] of heldOut.entries()) {
    const [from, to] = [offsets[viewer]!, offsets[viewer + 1]!];
    if (wanted.length === 0 || to === from) continue;
    const ranked = new Set(rank({ items: columns.slice(from, to), weights: weights.slice(from, to) }));
    shares.push(wanted.filter((item) => ranked.has(item)).length / Math.min(limit, wanted.length));
  }
  return shares;
}

export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By what is like the watched, and where that says nothing by how many watched it, as the edge ranks. */
export function rankByNeighbours(neighbours: Neighbour[][], train: SparseRows, limit: number): Rank {
  const score = new Float64Array(neighbours.length);
  const viewers = new Uint32Array(neighbours.length);
  for (const item of train.columns) viewers[item]!++;
  const all = [...viewers.keys()].sort((a, b) => viewers[b]! - viewers[a]!);
  return ({ items, weights }) => {
    score.fill(0);
    for (const [entry, item] of items.entries()) {
      for (const near of neighbours[item]!) score[near.item]! += near.similarity * weights[entry]!;
    }
    const seen = new Set(items);
    // The sort is stable: what has no score stays in the order of popularity.
    return all
      .filter((item) => !seen.has(item))
      .sort((a, b) => score[b]! - score[a]!)
      .slice(0, limit);
  };
}
