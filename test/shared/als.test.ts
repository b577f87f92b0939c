import { inverse, Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { gramOf, type SparseRows, seededFactors, solveRows, transpose } from '../../shared/recommend-als.ts';
import { dequantize, foldIn, quantize, topItems } from '../../shared/recommend-fold-in.ts';
import { factorBytes, neighbourShardOf, readFactors } from '../../shared/recommend-model.ts';

const FACTORS = 64;
const SETTINGS = { factors: FACTORS, alpha: 10, lambda: 0.5 };
const ITEMS = 90;

/** As many entries as given, at places that repeat at every run. */
function rowsWith(counts: number[]): SparseRows {
  const offsets = Uint32Array.from([0, ...counts.map((_, row) => sum(counts.slice(0, row + 1)))]);
  const columns = counts.flatMap((count, row) =>
    Array.from({ length: count }, (_, index) => (row * 31 + index * 7) % ITEMS).sort((a, b) => a - b),
  );
  return {
    offsets,
    columns: Uint32Array.from(columns),
    weights: Float32Array.from(columns, (column, index) => ((column * 13 + index * 5) % 20) / 10 + 0.05),
  };
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

function itemMatrix(items: Float32Array): Matrix {
  return new Matrix(
    Array.from({ length: items.length / FACTORS }, (_, item) => [
      ...items.subarray(item * FACTORS, (item + 1) * FACTORS),
    ]),
  );
}

/** The row's equation written down as in the paper, with whole matrices. */
function oracle(items: Matrix, rows: SparseRows, row: number) {
  const confidence = new Float64Array(ITEMS).fill(1);
  const preference = new Float64Array(ITEMS);
  for (let entry = rows.offsets[row]!; entry < rows.offsets[row + 1]!; entry++) {
    confidence[rows.columns[entry]!] = 1 + SETTINGS.alpha * rows.weights[entry]!;
    preference[rows.columns[entry]!] = 1;
  }
  const weighted = items.transpose().mmul(Matrix.diag([...confidence]));
  const system = weighted.mmul(items).add(Matrix.eye(FACTORS).mul(SETTINGS.lambda));
  const right = weighted.mmul(Matrix.columnVector([...preference]));
  return { solution: solve(system, right).to1DArray(), system, confidence };
}

const items = seededFactors(ITEMS, FACTORS);
// None, fewer than what is added at a time, exactly that, some more, nearly all.
const rows = rowsWith([0, 1, 5, 8, 9, 23, 90]);

describe('a half step', () => {
  it('solves each row as the whole matrices of the paper do, within a millionth', () => {
    const own = new Float64Array(7 * FACTORS);
    solveRows(rows, 0, 7, own, items, gramOf(items, FACTORS, SETTINGS.lambda), SETTINGS);
    for (let row = 0; row < 7; row++) {
      const { solution } = oracle(itemMatrix(items), rows, row);
      const largest = Math.max(...solution.map((value, f) => Math.abs(value - own[row * FACTORS + f]!)));
      expect(largest, `row ${row}`).toBeLessThan(1e-6);
    }
  });

  it('refuses an equation that has no one solution, and takes it with a little lambda', () => {
    const zeros = new Float32Array(ITEMS * FACTORS);
    const into = new Float64Array(FACTORS);
    const half = (lambda: number) =>
      solveRows(rows, 0, 1, into, zeros, gramOf(zeros, FACTORS, lambda), SETTINGS);
    expect(() => half(0)).toThrow('positive definite');
    expect(() => half(0.1)).not.toThrow();
  });

  it('never makes the fit worse from one step to the next', () => {
    const users = new Float32Array(7 * FACTORS);
    const current = seededFactors(ITEMS, FACTORS);
    const columns = transpose(rows, ITEMS);
    const losses: number[] = [];
    for (let iteration = 0; iteration < 4; iteration++) {
      solveRows(rows, 0, 7, users, current, gramOf(current, FACTORS, SETTINGS.lambda), SETTINGS);
      losses.push(lossOf(users, current));
      solveRows(columns, 0, ITEMS, current, users, gramOf(users, FACTORS, SETTINGS.lambda), SETTINGS);
      losses.push(lossOf(users, current));
    }
    for (const [step, loss] of losses.entries()) {
      if (step > 0) expect(loss).toBeLessThanOrEqual(losses[step - 1]! * (1 + 1e-6));
    }
  });
});

function lossOf(users: Float32Array, current: Float32Array): number {
  let loss = SETTINGS.lambda * (squares(users) + squares(current));
  for (let row = 0; row < 7; row++) {
    const weightOf = new Map<number, number>();
    for (let entry = rows.offsets[row]!; entry < rows.offsets[row + 1]!; entry++) {
      weightOf.set(rows.columns[entry]!, rows.weights[entry]!);
    }
    for (let item = 0; item < ITEMS; item++) {
      let score = 0;
      for (let f = 0; f < FACTORS; f++) score += users[row * FACTORS + f]! * current[item * FACTORS + f]!;
      const weight = weightOf.get(item);
      loss += (1 + SETTINGS.alpha * (weight ?? 0)) * ((weight === undefined ? 0 : 1) - score) ** 2;
    }
  }
  return loss;
}

const squares = (values: Float32Array) => values.reduce((total, value) => total + value * value, 0);

describe('folding a viewer in', () => {
  const row = 5;
  const columns = rows.columns.slice(rows.offsets[row], rows.offsets[row + 1]);
  const history = { items: columns, weights: rows.weights.slice(rows.offsets[row], rows.offsets[row + 1]) };
  const own = Float64Array.from(
    [...columns].flatMap((column) => [...items.subarray(column * FACTORS, (column + 1) * FACTORS)]),
  );
  const folded = foldIn(history, own, gramOf(items, FACTORS, SETTINGS.lambda), SETTINGS);

  it('is the full solve, within a millionth', () => {
    const { solution } = oracle(itemMatrix(items), rows, row);
    for (const [f, value] of solution.entries())
      expect(Math.abs(value - folded.factors[f]!)).toBeLessThan(1e-6);
  });

  it('says what each watched video gives to a score, as the inverse of the paper does', () => {
    const matrix = itemMatrix(items);
    const { system, confidence } = oracle(matrix, rows, row);
    const target = 3;
    const inverted = inverse(system);
    const given = folded.contributions(Float64Array.from(matrix.getRow(target)));
    for (const [entry, column] of [...columns].entries()) {
      const expected =
        matrix.getRowVector(target).mmul(inverted).mmul(matrix.getRowVector(column).transpose()).get(0, 0) *
        confidence[column]!;
      expect(Math.abs(given[entry]! - expected)).toBeLessThan(1e-6);
    }
    const score = matrix.getRow(target).reduce((total, value, f) => total + value * folded.factors[f]!, 0);
    expect(Math.abs(given.reduce((total, value) => total + value, 0) - score)).toBeLessThan(1e-9);
  });

  it('of one who has watched nothing gives nothing', () => {
    const nobody = { items: new Uint32Array(), weights: new Float32Array() };
    const none = foldIn(nobody, new Float64Array(), gramOf(items, FACTORS, 1), SETTINGS);
    expect(none.factors.every((value) => value === 0)).toBe(true);
  });
});

describe('factors in a byte each', () => {
  const quantized = quantize(items, FACTORS);

  it('are off by half a step at most, and nothing stays nothing', () => {
    const back = dequantize(
      quantized,
      FACTORS,
      Array.from({ length: ITEMS }, (_, item) => item),
    );
    for (const [at, value] of items.entries()) {
      const step = quantized.scales[Math.floor(at / FACTORS)]!;
      expect(Math.abs(value - back[at]!)).toBeLessThanOrEqual(step * 0.5001);
    }
    const nothing = quantize(new Float32Array(FACTORS), FACTORS);
    expect([...dequantize(nothing, FACTORS, [0])].every((value) => value === 0)).toBe(true);
  });

  it('rank as sorting all scores would, without those left out', () => {
    const viewer = Float64Array.from({ length: FACTORS }, (_, f) => Math.sin(f * 1.7));
    const all = Array.from({ length: ITEMS }, (_, item) => {
      const factors = dequantize(quantized, FACTORS, [item]);
      return { item, score: factors.reduce((total, value, f) => total + value * viewer[f]!, 0) };
    }).sort((a, b) => b.score - a.score);
    const skipped = new Set([all[0]!.item, all[4]!.item]);
    const expected = all.filter(({ item }) => !skipped.has(item)).slice(0, 10);
    const top = topItems(viewer, quantized, 10, skipped);
    expect(top.map(({ item }) => item)).toEqual(expected.map(({ item }) => item));
    expect(top[0]!.score).toBeCloseTo(expected[0]!.score, 6);
  });

  it('come back from their bytes as they went, and never from other bytes', () => {
    const gram = gramOf(items, FACTORS, 1);
    const bytes = factorBytes(gram, quantized);
    const read = readFactors(bytes.buffer, FACTORS, ITEMS);
    expect([read.gram, read.quantized]).toEqual([gram, quantized]);
    expect(() => readFactors(bytes.buffer.slice(1), FACTORS, ITEMS)).toThrow(RangeError);
  });
});

describe('the other side of sparse rows', () => {
  it('holds the same entries, and its other side is the first one again', () => {
    const once = transpose(rows, ITEMS);
    expect(once.offsets.at(-1)).toBe(rows.columns.length);
    expect(transpose(once, 7)).toEqual(rows);
  });
});

it('finds a shard for every id, and all of them are used', () => {
  const shards = new Set(Array.from({ length: 200 }, (_, index) => neighbourShardOf(`video-${index}`, 7)));
  expect([...shards].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});
