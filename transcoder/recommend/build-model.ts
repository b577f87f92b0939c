// A model out of interactions: factors in a byte each, neighbours, and what is watched most now.
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import {
  MODEL_FACTORS,
  MODEL_ITEMS,
  MODEL_SUMMARY,
  MODEL_TOP,
  neighbourShardName,
} from '../../shared/object-keys.ts';
import { gramOf } from '../../shared/recommend-als.ts';
import { dequantize, quantize } from '../../shared/recommend-fold-in.ts';
import {
  factorBytes,
  MAX_FACTOR_ITEMS,
  type ModelSummary,
  NEIGHBOURS_PER_ITEM,
  NEIGHBOURS_PER_SHARD,
  type NeighbourShard,
  neighbourShardOf,
  TOP_ITEMS,
  type TopList,
} from '../../shared/recommend-model.ts';
import { alternate } from './alternate.ts';
import { type Choice, chooseRanking, RANKING_NEIGHBOURS } from './choose-ranking.ts';
import type { Interactions } from './interactions.ts';
import { neighboursOf } from './neighbours.ts';

export const ALPHA = 10;
/** On generated histories of 2,400 to 100,000 watches recall is best between 20 and 65, mostly at 40 to 65. */
const LAMBDA = 50;
/** Over the mean number of entries (geometric, of a viewer's and a video's): above it factors of a thin history vanish. */
const MAX_LAMBDA_SHARE = 3.5;
export const ITERATIONS = 15;
const MAX_FACTORS = 64;
const MIN_FACTORS = 8;
/** A small library has not that many directions. */
const ITEMS_PER_FACTOR = 8;
/** A watch counts half as much for the top list when it is a week old. */
const TOP_HALF_LIFE_SECONDS = 7 * DAY_SECONDS;

export type BuildOptions = { threads: number; maxFactorItems?: number };
export type Model = { summary: ModelSummary; objects: { name: string; bytes: Uint8Array<ArrayBuffer> }[] };

/** @throws AppError `recommend_no_history` */
export async function buildModel(interactions: Interactions, options: BuildOptions): Promise<Model> {
  const { viewers, viewerCount, itemIds, heardAt } = interactions;
  const { threads, maxFactorItems = MAX_FACTOR_ITEMS } = options;
  if (heardAt.length === 0) {
    throw new AppError('recommend_no_history', {
      detail: 'Nobody has watched anything of this library yet.',
    });
  }
  const startedAtMs = performance.now();
  const hasFactors = itemIds.length <= maxFactorItems;
  const factors = factorsFor(itemIds.length);
  const usual = { factors, alpha: ALPHA, lambda: lambdaFor(heardAt.length, viewerCount, itemIds.length) };
  const training = { iterations: ITERATIONS, threads };
  const { lambda, ranking, recall }: Choice = hasFactors
    ? await chooseRanking(interactions, usual, training)
    : { lambda: usual.lambda, ranking: 'neighbours' };
  const settings = { ...usual, lambda };
  const objects: Model['objects'] = [];
  if (hasFactors) {
    const exact = await alternate(viewers, itemIds.length, { ...settings, ...training });
    const quantized = quantize(exact, factors);
    // Of the numbers that the edge will have, so that folding in there is an exact solution.
    const rounded = dequantize(
      quantized,
      factors,
      itemIds.map((_, item) => item),
    );
    objects.push(
      { name: MODEL_ITEMS, bytes: json(itemIds) },
      { name: MODEL_FACTORS, bytes: factorBytes(gramOf(rounded, factors, settings.lambda), quantized) },
    );
  }
  const shards = neighbourShards(
    interactions,
    hasFactors && ranking === 'neighbours' ? RANKING_NEIGHBOURS : NEIGHBOURS_PER_ITEM,
  );
  for (const [shard, neighbours] of shards.entries()) {
    objects.push({ name: neighbourShardName(shard), bytes: json(neighbours) });
  }
  objects.push({ name: MODEL_TOP, bytes: json(topList(interactions)) });
  const summary: ModelSummary = {
    v: 1,
    ...settings,
    ...{ viewers: viewerCount, items: itemIds.length, rows: heardAt.length },
    hasFactors,
    ranking,
    ...(recall && { recall }),
    neighbourShards: shards.length,
    trainedAt: Math.floor(Date.now() / 1000),
    seconds: Math.round(performance.now() - startedAtMs) / 1000,
  };
  objects.push({ name: MODEL_SUMMARY, bytes: json(summary) });
  return { summary, objects };
}

export function factorsFor(items: number): number {
  return Math.max(MIN_FACTORS, Math.min(MAX_FACTORS, Math.floor(items / ITEMS_PER_FACTOR)));
}

export function lambdaFor(rows: number, viewers: number, items: number): number {
  return Math.min(LAMBDA, (MAX_LAMBDA_SHARE * rows) / Math.sqrt(viewers * items));
}

function neighbourShards({ viewers, itemIds }: Interactions, perItem: number): NeighbourShard[] {
  const count = Math.max(1, Math.ceil((itemIds.length * perItem) / NEIGHBOURS_PER_SHARD));
  const shards: NeighbourShard[] = Array.from({ length: count }, () => ({}));
  for (const [item, neighbours] of neighboursOf(viewers, itemIds.length, perItem).entries()) {
    const id = itemIds[item]!;
    shards[neighbourShardOf(id, count)]![id] = neighbours.map((neighbour) => [
      itemIds[neighbour.item]!,
      rounded(neighbour.similarity),
    ]);
  }
  return shards;
}

/** Old watches fade against the newest one, so that a library nobody visits keeps a list. */
function topList({ viewers, itemIds, heardAt }: Interactions): TopList {
  const newest = heardAt.reduce((latest, at) => Math.max(latest, at), 0);
  const sums = new Float64Array(itemIds.length);
  for (const [entry, item] of viewers.columns.entries()) {
    sums[item]! += viewers.weights[entry]! * 2 ** ((heardAt[entry]! - newest) / TOP_HALF_LIFE_SECONDS);
  }
  const order = [...sums.keys()].sort((a, b) => sums[b]! - sums[a]! || a - b).slice(0, TOP_ITEMS);
  const largest = sums[order[0]!] || 1;
  return order.map((item) => [itemIds[item]!, rounded(sums[item]! / largest)]);
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
