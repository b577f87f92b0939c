// Reading models from R2. What an isolate has read it keeps, up to a budget; a model never changes.
import { z } from 'zod';
import {
  MODEL_FACTORS,
  MODEL_ITEMS,
  MODEL_SUMMARY,
  MODEL_TOP,
  neighbourShardName,
} from '../../shared/object-keys.ts';
import type { QuantizedFactors } from '../../shared/recommend-fold-in.ts';
import {
  ItemIds,
  ModelSummary,
  NeighbourShard,
  neighbourShardOf,
  readFactors,
  TopList,
} from '../../shared/recommend-model.ts';
import { getObject, hasBody } from '../r2.ts';

export type Model = {
  prefix: string;
  summary: ModelSummary;
  top: TopList;
  /** Absent in a model of more items than an isolate has room for. */
  factors: ItemFactors | undefined;
};

export type ItemFactors = { ids: string[]; gram: Float64Array; quantized: QuantizedFactors };

/** An isolate has 128 MB for everything; the largest model takes about 30 of them. */
const BUDGET_BYTES = 40_000_000;
/** A string of an id and its place. */
const BYTES_PER_ID = 72;

/** Used last comes last. */
const kept = new Map<string, { model: Model; sizeBytes: number }>();

/** @throws Error where the objects are not what a run leaves */
export async function loadModel(bucket: R2Bucket, prefix: string): Promise<Model> {
  const known = kept.get(prefix);
  if (known) {
    kept.delete(prefix);
    kept.set(prefix, known);
    return known.model;
  }
  const summary = ModelSummary.parse(await readJson(bucket, prefix + MODEL_SUMMARY));
  const [top, ids, buffer] = await Promise.all([
    readJson(bucket, prefix + MODEL_TOP).then((value) => TopList.parse(value)),
    summary.hasFactors ? readJson(bucket, prefix + MODEL_ITEMS).then((value) => ItemIds.parse(value)) : [],
    summary.hasFactors
      ? readObject(bucket, prefix + MODEL_FACTORS).then((body) => body.arrayBuffer())
      : undefined,
  ]);
  const model: Model = {
    ...{ prefix, summary, top },
    factors: buffer && { ids, ...readFactors(buffer, summary.factors, ids.length) },
  };
  keep(model, (buffer?.byteLength ?? 0) + ids.length * BYTES_PER_ID);
  return model;
}

/** Similar videos of those named, as far as the model knows them. */
export async function neighboursOf(
  bucket: R2Bucket,
  { prefix, summary }: Model,
  videoIds: string[],
): Promise<Map<string, [id: string, similarity: number][]>> {
  const shards = new Set(videoIds.map((id) => neighbourShardOf(id, summary.neighbourShards)));
  const read = await Promise.all(
    [...shards].map(async (shard) =>
      NeighbourShard.parse(await readJson(bucket, prefix + neighbourShardName(shard))),
    ),
  );
  const wanted = new Set(videoIds);
  return new Map(read.flatMap((shard) => Object.entries(shard).filter(([id]) => wanted.has(id))));
}

/** The place of an id in the sorted list; -1 where it is not in it. */
export function indexOfItem(ids: string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? low : -1;
}

function keep(model: Model, sizeBytes: number): void {
  kept.set(model.prefix, { model, sizeBytes });
  let total = [...kept.values()].reduce((sum, entry) => sum + entry.sizeBytes, 0);
  for (const [prefix, entry] of kept) {
    if (total <= BUDGET_BYTES || kept.size === 1) return;
    kept.delete(prefix);
    total -= entry.sizeBytes;
  }
}

async function readJson(bucket: R2Bucket, key: string): Promise<unknown> {
  return z.unknown().parse(await (await readObject(bucket, key)).json());
}

async function readObject(bucket: R2Bucket, key: string): Promise<R2ObjectBody> {
  const object = await getObject(bucket, key);
  if (!object || !hasBody(object)) throw new Error(`the model has no ${key}`);
  return object;
}
