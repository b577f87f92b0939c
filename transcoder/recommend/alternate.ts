// The alternation of least squares over as many threads as there are: one half step solves all rows of one side,
// in ranges that each thread takes when it has none.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  type AlsSettings,
  gramOf,
  type SparseRows,
  seededFactors,
  solveRows,
  transpose,
} from '../../shared/recommend-als.ts';
import { sharedRows } from './interactions.ts';

export type AlsRun = AlsSettings & { iterations: number; threads: number };

/** What a helping thread holds for the whole training. */
export type SharedTraining = {
  settings: AlsSettings;
  viewers: SparseRows;
  items: SparseRows;
  viewerFactors: Float32Array;
  itemFactors: Float32Array;
  /** Index of the next range that nobody has taken. */
  next: Int32Array;
};

export type HalfStep = { side: 'viewers' | 'items'; gram: Float64Array; bounds: Uint32Array };

/** @returns the factors of all items; those of viewers are made anew whenever one is folded in. */
export async function alternate(viewers: SparseRows, itemCount: number, run: AlsRun): Promise<Float32Array> {
  const viewerCount = viewers.offsets.length - 1;
  const floats = (count: number) => new Float32Array(new SharedArrayBuffer(4 * count * run.factors));
  const training: SharedTraining = {
    settings: { factors: run.factors, alpha: run.alpha, lambda: run.lambda },
    viewers,
    items: shared(transpose(viewers, itemCount)),
    viewerFactors: floats(viewerCount),
    itemFactors: seededFactors(itemCount, run.factors, floats(itemCount)),
    next: new Int32Array(new SharedArrayBuffer(4)),
  };
  const helpers = Array.from(
    { length: run.threads - 1 },
    () => new Worker(new URL('./als-thread.ts', import.meta.url), { workerData: training }),
  );
  const boundsOf = {
    viewers: evenBounds(training.viewers, 16 * run.threads),
    items: evenBounds(training.items, 16 * run.threads),
  };
  const solveSide = async (side: HalfStep['side']) => {
    const other = side === 'viewers' ? training.itemFactors : training.viewerFactors;
    const step: HalfStep = {
      side,
      gram: gramOf(other, run.factors, run.lambda),
      bounds: boundsOf[side],
    };
    Atomics.store(training.next, 0, 0);
    // `once` rejects on a helper's error.
    const helped = helpers.map((helper) => once(helper, 'message'));
    for (const helper of helpers) helper.postMessage(step);
    solveTakenRanges(training, step);
    await Promise.all(helped);
  };
  try {
    for (let iteration = 0; iteration < run.iterations; iteration++) {
      await solveSide('viewers');
      await solveSide('items');
    }
    return training.itemFactors;
  } finally {
    await Promise.all(helpers.map((helper) => helper.terminate()));
  }
}

/** One thread's part of a half step. */
export function solveTakenRanges(training: SharedTraining, { side, gram, bounds }: HalfStep): void {
  const { settings, viewerFactors, itemFactors, next } = training;
  const [own, other] = side === 'viewers' ? [viewerFactors, itemFactors] : [itemFactors, viewerFactors];
  while (true) {
    const range = Atomics.add(next, 0, 1);
    if (range >= bounds.length - 1) return;
    solveRows(training[side], bounds[range]!, bounds[range + 1]!, own, other, gram, settings);
  }
}

/** Bounds of ranges of rows that cost about the same: an equation itself is worth some entries. */
function evenBounds({ offsets }: SparseRows, ranges: number): Uint32Array {
  const ROW_COST_IN_ENTRIES = 30;
  const count = offsets.length - 1;
  const total = offsets[count]! + count * ROW_COST_IN_ENTRIES;
  const bounds = [0];
  for (let row = 0; row < count; row++) {
    const cost = offsets[row]! + row * ROW_COST_IN_ENTRIES;
    if (cost >= (bounds.length * total) / ranges) bounds.push(row);
  }
  bounds.push(count);
  return Uint32Array.from(bounds);
}

function shared(rows: SparseRows): SparseRows {
  const copy = sharedRows(rows.offsets.length - 1, rows.columns.length);
  copy.offsets.set(rows.offsets);
  copy.columns.set(rows.columns);
  copy.weights.set(rows.weights);
  return copy;
}
