// Matrix factorisation of implicit feedback by alternating least squares (Hu, Koren and Volinsky, 2008). A weight
// says how sure we are that a viewer liked a video: the preference is 1, its confidence 1 + alpha * weight; of all
// other pairs the preference is 0 with confidence 1. One row of factors is the solution of
//   (Y'Y + Y'(C - I)Y + lambda I) x = Y'C p
// and the very same function solves it in training and when a viewer is folded in at the edge.

/** Rows of sparse weights, one after another: row r has the entries offsets[r] to offsets[r + 1]. */
export type SparseRows = { offsets: Uint32Array; columns: Uint32Array; weights: Float32Array };

export type AlsSettings = { factors: number; alpha: number; lambda: number };

/** Row-major factors: `count` rows of `factors` numbers. */
export type Factors = Float32Array | Float64Array;

/** Rows whose products are added up at a time: each number of the sum is loaded and stored so much less often. */
const LANES = 8;

/** Y'Y + lambda I, the part of the equation that all rows share. */
export function gramOf(rows: Factors, factors: number, lambda: number): Float64Array {
  const gram = new Float64Array(factors * factors);
  const { gathered, boosts } = createWorkspace(factors);
  boosts.fill(1);
  for (let at = 0; at < rows.length; at += LANES * factors) {
    gathered.fill(0);
    gathered.set(rows.subarray(at, at + LANES * factors));
    addProducts(gram, factors, gathered, boosts);
  }
  for (let i = 0; i < factors; i++) {
    gram[i * factors + i]! += lambda;
    for (let j = 0; j < i; j++) gram[j * factors + i] = gram[i * factors + j]!;
  }
  return gram;
}

/** What one solution needs besides its input, so that solving a million rows allocates nothing. */
export type Workspace = {
  system: Float64Array;
  gathered: Float64Array;
  solution: Float64Array;
  boosts: Float64Array;
};

export function createWorkspace(factors: number): Workspace {
  return {
    system: new Float64Array(factors * factors),
    gathered: new Float64Array(LANES * factors),
    solution: new Float64Array(factors),
    boosts: new Float64Array(LANES),
  };
}

/**
 * Solves one row from what it holds of the other side. The result is in `workspace.solution`, and the Cholesky
 * factor of its equation in the lower triangle of `workspace.system`.
 */
export function solveRow(
  entries: SparseRows,
  from: number,
  to: number,
  other: Factors,
  gram: Float64Array,
  { factors, alpha }: Pick<AlsSettings, 'factors' | 'alpha'>,
  workspace: Workspace,
): Float64Array {
  const { system, gathered, solution, boosts } = workspace;
  const { columns, weights } = entries;
  system.set(gram);
  solution.fill(0);
  for (let entry = from; entry < to; entry += LANES) {
    for (let lane = 0; lane < LANES; lane++) {
      const isThere = entry + lane < to;
      const at = isThere ? columns[entry + lane]! * factors : 0;
      const boost = isThere ? alpha * weights[entry + lane]! : 0;
      boosts[lane] = boost;
      const confidence = isThere ? 1 + boost : 0;
      const place = lane * factors;
      for (let i = 0; i < factors; i++) {
        const value = other[at + i]!;
        gathered[place + i] = value;
        solution[i]! += confidence * value;
      }
    }
    addProducts(system, factors, gathered, boosts);
  }
  choleskyInPlace(system, factors);
  solveCholesky(system, factors, solution);
  return solution;
}

/** Solves L L' x = b in place of b. */
export function solveCholesky(lower: Float64Array, factors: number, b: Float64Array): void {
  for (let i = 0; i < factors; i++) {
    let sum = b[i]!;
    const row = i * factors;
    for (let j = 0; j < i; j++) sum -= lower[row + j]! * b[j]!;
    b[i] = sum / lower[row + i]!;
  }
  for (let i = factors - 1; i >= 0; i--) {
    const value = b[i]! / lower[i * factors + i]!;
    b[i] = value;
    const row = i * factors;
    for (let j = 0; j < i; j++) b[j]! -= lower[row + j]! * value;
  }
}

/** @throws RangeError where the matrix is not positive definite, which lambda > 0 and weights >= 0 rule out. */
function choleskyInPlace(matrix: Float64Array, factors: number): void {
  for (let j = 0; j < factors; j++) {
    const rowJ = j * factors;
    let diagonal = matrix[rowJ + j]!;
    for (let k = 0; k < j; k++) diagonal -= matrix[rowJ + k]! ** 2;
    if (!(diagonal > 0)) throw new RangeError('the system of a row is not positive definite');
    const root = Math.sqrt(diagonal);
    matrix[rowJ + j] = root;
    const inverse = 1 / root;
    for (let i = j + 1; i < factors; i++) {
      const rowI = i * factors;
      let sum = matrix[rowI + j]!;
      for (let k = 0; k < j; k++) sum -= matrix[rowI + k]! * matrix[rowJ + k]!;
      matrix[rowI + j] = sum * inverse;
    }
  }
}

/** Adds the lower triangle of w y y' for each of the lanes. */
function addProducts(
  into: Float64Array,
  factors: number,
  rows: Float64Array,
  laneWeights: Float64Array,
): void {
  const b = factors;
  const c = 2 * factors;
  const d = 3 * factors;
  const e = 4 * factors;
  const f = 5 * factors;
  const g = 6 * factors;
  const h = 7 * factors;
  const [wa = 0, wb = 0, wc = 0, wd = 0, we = 0, wf = 0, wg = 0, wh = 0] = laneWeights;
  for (let i = 0; i < factors; i++) {
    const ai = wa * rows[i]!;
    const bi = wb * rows[b + i]!;
    const ci = wc * rows[c + i]!;
    const di = wd * rows[d + i]!;
    const ei = we * rows[e + i]!;
    const fi = wf * rows[f + i]!;
    const gi = wg * rows[g + i]!;
    const hi = wh * rows[h + i]!;
    const row = i * factors;
    for (let j = 0; j <= i; j++) {
      const first = ai * rows[j]! + bi * rows[b + j]! + (ci * rows[c + j]! + di * rows[d + j]!);
      const second = ei * rows[e + j]! + fi * rows[f + j]! + (gi * rows[g + j]! + hi * rows[h + j]!);
      into[row + j]! += first + second;
    }
  }
}

/** Solves rows `first` to `last` (exclusive) of one side into `own`. */
export function solveRows(
  side: SparseRows,
  first: number,
  last: number,
  own: Factors,
  other: Factors,
  gram: Float64Array,
  settings: AlsSettings,
): void {
  const workspace = createWorkspace(settings.factors);
  for (let row = first; row < last; row++) {
    const from = side.offsets[row]!;
    const to = side.offsets[row + 1]!;
    own.set(solveRow(side, from, to, other, gram, settings, workspace), row * settings.factors);
  }
}

/** The same entries seen from the other side. */
export function transpose(rows: SparseRows, columnCount: number): SparseRows {
  const offsets = new Uint32Array(columnCount + 1);
  for (const column of rows.columns) offsets[column + 1]!++;
  for (let column = 0; column < columnCount; column++) offsets[column + 1]! += offsets[column]!;
  const next = offsets.slice();
  const columns = new Uint32Array(rows.columns.length);
  const weights = new Float32Array(rows.weights.length);
  for (let row = 0; row + 1 < rows.offsets.length; row++) {
    for (let entry = rows.offsets[row]!; entry < rows.offsets[row + 1]!; entry++) {
      const at = next[rows.columns[entry]!]!++;
      columns[at] = row;
      weights[at] = rows.weights[entry]!;
    }
  }
  return { offsets, columns, weights };
}

/** Small numbers that are the same at every run, to begin from. */
export function seededFactors(count: number, factors: number, into?: Float32Array): Float32Array {
  const values = into ?? new Float32Array(count * factors);
  let state = 0x9e3779b9;
  for (let at = 0; at < values.length; at++) {
    // xorshift32 (Marsaglia, 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[at] = ((state >>> 0) / 2 ** 32 - 0.5) / Math.sqrt(factors);
  }
  return values;
}
