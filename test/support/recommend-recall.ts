// How much of what viewers went on to watch three ways of ranking would have shown them.
import { type AlsSettings, gramOf, type SparseRows } from '../../shared/recommend-als.ts';
import { dequantize, foldIn, quantize, topItems } from '../../shared/recommend-fold-in.ts';
import { alternate } from '../../transcoder/recommend/alternate.ts';
import { ALPHA, ITERATIONS, lambdaFor } from '../../transcoder/recommend/build-model.ts';
import { neighboursOf } from '../../transcoder/recommend/neighbours.ts';
import { type History, recallOf } from './watch-history.ts';

export const LIMIT = 20;

export type Recalls = { als: number; cosine: number; popularity: number };

/** Each way ranks what a viewer has not watched; recall is of what was held out. ALS as the edge does it, by bytes. */
export async function recallsOf(
  { train, heldOut, items }: History,
  settings: AlsSettings,
  threads: number,
): Promise<Recalls> {
  const exact = await alternate(train, items, { ...settings, iterations: ITERATIONS, threads });
  const quantized = quantize(exact, settings.factors);
  const all = Array.from({ length: items }, (_, item) => item);
  const gram = gramOf(dequantize(quantized, settings.factors, all), settings.factors, settings.lambda);
  const neighbours = neighboursOf(train, items, items);
  const popularity = new Float64Array(items);
  for (const item of train.columns) popularity[item]!++;
  const byPopularity = all.toSorted((a, b) => popularity[b]! - popularity[a]!);
  const score = new Float64Array(items);
  return {
    als: recallOf(train, heldOut, LIMIT, (watched) => {
      const own = dequantize(quantized, settings.factors, watched.items);
      const viewer = foldIn(watched, own, gram, settings);
      return topItems(viewer.factors, quantized, LIMIT, new Set(watched.items)).map(({ item }) => item);
    }),
    cosine: recallOf(train, heldOut, LIMIT, (watched) => {
      score.fill(0);
      for (const [entry, item] of watched.items.entries()) {
        for (const near of neighbours[item]!) score[near.item]! += near.similarity * watched.weights[entry]!;
      }
      const seen = new Set(watched.items);
      return all
        .filter((item) => !seen.has(item))
        .sort((a, b) => score[b]! - score[a]!)
        .slice(0, LIMIT);
    }),
    popularity: recallOf(train, heldOut, LIMIT, (watched) => {
      const seen = new Set(watched.items);
      return byPopularity.filter((item) => !seen.has(item)).slice(0, LIMIT);
    }),
  };
}

export function settingsFor(train: SparseRows, items: number, factors: number): AlsSettings {
  const lambda = lambdaFor(train.columns.length, train.offsets.length - 1, items);
  return { factors, alpha: ALPHA, lambda };
}
