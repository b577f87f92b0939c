// The export as training wants it: who has watched what, as sparse rows, gathered part by part.
import { AppError } from '../../shared/errors.ts';
import type { SparseRows } from '../../shared/recommend-als.ts';
import { ExportRow } from '../../shared/recommend-model.ts';

export type Interactions = {
  viewers: SparseRows;
  viewerCount: number;
  /** Sorted; a column's video is the one at its place. */
  itemIds: string[];
  /** Of each entry, in the order of `viewers`: when it was last heard of, Unix seconds. */
  heardAt: Float64Array;
};

/** Twelve bytes each on both sides, their times, and the factors of as many viewers, in some GiB of memory. */
export const MAX_ROWS = 50_000_000;

export class InteractionReader {
  #columnOf = new Map<string, number>();
  #chunks: { viewers: Uint32Array; items: Uint32Array; weights: Float32Array; heardAt: Float64Array }[] = [];
  #rows = 0;
  #viewerCount = 0;

  /** @throws AppError `recommend_too_large`; ZodError or SyntaxError for what the Worker has not written. */
  addPart(bytes: Uint8Array): void {
    const lines = new TextDecoder().decode(bytes).split('\n');
    if (lines.at(-1) === '') lines.pop();
    this.#rows += lines.length;
    if (this.#rows > MAX_ROWS) {
      throw new AppError('recommend_too_large', {
        detail: `The export has more than ${MAX_ROWS} rows; train from it elsewhere, as docs/recommendations.md says.`,
      });
    }
    const chunk = {
      viewers: new Uint32Array(lines.length),
      items: new Uint32Array(lines.length),
      weights: new Float32Array(lines.length),
      heardAt: new Float64Array(lines.length),
    };
    for (const [at, line] of lines.entries()) {
      const row = ExportRow.parse(JSON.parse(line));
      const item = this.#columnOf.get(row.video) ?? this.#columnOf.size;
      this.#columnOf.set(row.video, item);
      chunk.viewers[at] = row.viewer;
      chunk.items[at] = item;
      chunk.weights[at] = row.weight;
      chunk.heardAt[at] = row.at;
      this.#viewerCount = Math.max(this.#viewerCount, row.viewer + 1);
    }
    this.#chunks.push(chunk);
  }

  /** All that was added. The reader is spent. */
  finish(): Interactions {
    const known = [...this.#columnOf.keys()];
    const itemIds = known.toSorted();
    const placeOf = new Uint32Array(known.length);
    for (const [place, id] of itemIds.entries()) placeOf[this.#columnOf.get(id)!] = place;
    // Shared memory: the threads that train read it where it is.
    const viewers = sharedRows(this.#viewerCount, this.#rows);
    for (const chunk of this.#chunks) for (const viewer of chunk.viewers) viewers.offsets[viewer + 1]!++;
    for (let row = 0; row < this.#viewerCount; row++) viewers.offsets[row + 1]! += viewers.offsets[row]!;
    const next = viewers.offsets.slice();
    const heardAt = new Float64Array(this.#rows);
    for (const chunk of this.#chunks) {
      for (let entry = 0; entry < chunk.viewers.length; entry++) {
        const at = next[chunk.viewers[entry]!]!++;
        viewers.columns[at] = placeOf[chunk.items[entry]!]!;
        viewers.weights[at] = chunk.weights[entry]!;
        heardAt[at] = chunk.heardAt[entry]!;
      }
    }
    this.#chunks = [];
    return { viewers, viewerCount: this.#viewerCount, itemIds, heardAt };
  }
}

export function sharedRows(rowCount: number, entries: number): SparseRows {
  return {
    offsets: new Uint32Array(new SharedArrayBuffer(4 * (rowCount + 1))),
    columns: new Uint32Array(new SharedArrayBuffer(4 * entries)),
    weights: new Float32Array(new SharedArrayBuffer(4 * entries)),
  };
}
