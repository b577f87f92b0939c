// What a training run leaves in R2 and what the Worker reads of it, and the rows of the export it is trained from.
import { z } from 'zod';
import type { QuantizedFactors } from './recommend-fold-in.ts';

/**
 * A line of the export: one viewer's use of one video. `viewer` is a number within this export alone, so that no
 * object in R2 names a person, and what Spark's ALS takes for `userCol` as it is.
 */
export const ExportRow = z.object({
  viewer: z.int().min(0),
  video: z.string(),
  /** Sum of the watched fractions of the viewer's sessions, at most {@link MAX_WEIGHT}. */
  weight: z.number().min(0),
  /** Unix seconds of the last sign of it. */
  at: z.int(),
});
export type ExportRow = z.infer<typeof ExportRow>;

/** Watching twice to the end says more than once; a hundred times says no more than twice. */
export const MAX_WEIGHT = 2;
/** Less than this share of a video was a look at it, no liking. */
export const MIN_WEIGHT = 0.05;

/** Beyond this an isolate has no room for factors; neighbours and top lists serve alone. */
export const MAX_FACTOR_ITEMS = 200_000;
export const NEIGHBOURS_PER_ITEM = 20;
/** About half a megabyte of text. */
export const NEIGHBOURS_PER_SHARD = 10_000;
export const TOP_ITEMS = 200;

export const ModelSummary = z.object({
  v: z.literal(1),
  factors: z.int().min(1).max(256),
  alpha: z.number().positive(),
  lambda: z.number().positive(),
  viewers: z.int(),
  items: z.int(),
  rows: z.int(),
  /** False beyond {@link MAX_FACTOR_ITEMS}. */
  hasFactors: z.boolean(),
  /** What ranks for a viewer: of a small library what finds more of held-out parts of its history. */
  ranking: z.enum(['factors', 'neighbours']).default('factors'),
  /** Recall@20 of those parts, where some were held out. */
  recall: z.object({ factors: z.number(), neighbours: z.number() }).optional(),
  neighbourShards: z.int().min(1),
  trainedAt: z.int(),
  seconds: z.number(),
});
export type ModelSummary = z.infer<typeof ModelSummary>;

/** Ids of all items, sorted by code units; an item's index is its place here. */
export const ItemIds = z.array(z.string());

/** Of one shard: similar videos of each of its videos, most similar first. */
export const NeighbourShard = z.record(z.string(), z.array(z.tuple([z.string(), z.number()])));
export type NeighbourShard = z.infer<typeof NeighbourShard>;

/** What is watched now: videos with their share of the most watched one's weight. */
export const TopList = z.array(z.tuple([z.string(), z.number()]));
export type TopList = z.infer<typeof TopList>;

/** The shard a video's neighbours are in: FNV-1a of its id. */
export function neighbourShardOf(videoId: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < videoId.length; index++) {
    hash = Math.imul(hash ^ videoId.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % shards;
}

/** Little-endian, in this order: Y'Y + lambda I as doubles, a float per item, a byte per item and factor. */
export function factorBytes(
  gram: Float64Array,
  { scales, values }: QuantizedFactors,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(gram.byteLength + scales.byteLength + values.byteLength);
  bytes.set(new Uint8Array(gram.buffer, gram.byteOffset, gram.byteLength), 0);
  bytes.set(new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength), gram.byteLength);
  bytes.set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    gram.byteLength + scales.byteLength,
  );
  return bytes;
}

/** Views over `buffer`, of which nothing is copied. @throws RangeError where the size is another one. */
export function readFactors(
  buffer: ArrayBuffer,
  factors: number,
  items: number,
): { gram: Float64Array; quantized: QuantizedFactors } {
  const gramBytes = 8 * factors * factors;
  const expectedBytes = gramBytes + 4 * items + items * factors;
  if (buffer.byteLength !== expectedBytes)
    throw new RangeError(`factors of ${buffer.byteLength} bytes instead of ${expectedBytes}`);
  return {
    gram: new Float64Array(buffer, 0, factors * factors),
    quantized: {
      scales: new Float32Array(buffer, gramBytes, items),
      values: new Int8Array(buffer, gramBytes + 4 * items),
    },
  };
}
