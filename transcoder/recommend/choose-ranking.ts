// Small libraries differ: how strongly factors are held back (lambda) is chosen by what finds most of held-out parts
// of the history, and where item neighbours find as much, they rank. Large ones take what is known to be good, since
// trying costs several trainings.
import { type AlsSettings, gramOf } from '../../shared/recommend-als.ts';
import { dequantize, foldIn, quantize, topItems } from '../../shared/recommend-fold-in.ts';
import { alternate } from './alternate.ts';
import type { Interactions } from './interactions.ts';
import { neighboursOf } from './neighbours.ts';
import { holdOut, meanOf, type Rank, rankByNeighbours, recalls } from './recall.ts';

/** Neighbours of each item where these rank: at 1,000 videos a hundred find as much as all of them. */
export const RANKING_NEIGHBOURS = 100;
/** Shares of the lambda that suits large libraries, the largest at which factors do not vanish. */
const LAMBDA_SHARES = [1, 0.7, 0.5, 0.25];
/** Parts of a history: without more than a tenth a thin one looks much thinner than it is, and neighbours suffer most. */
const PARTS = 10;
/** Held out one after another while that is cheap; one part of a thin history decides by chance. */
const MAX_HELD_OUT = 4;
const RECALL_AT = 20;
/** An equation costs about as much as so many entries (see alternate.ts). */
const ROW_COST_IN_ENTRIES = 30;
/** Of entries and equations in all parts held out: some 30 seconds of CPU at 64 factors. */
const MAX_COST_IN_ENTRIES = 200_000;
/** Starting one takes as long as a training of less. */
const COST_OF_A_THREAD = 20_000;

export type Choice = {
  lambda: number;
  ranking: 'factors' | 'neighbours';
  /** Recall@20 of what was held out; absent where nothing was tried. */
  recall?: { factors: number; neighbours: number };
};

export async function chooseRanking(
  { viewers, viewerCount, itemIds }: Pick<Interactions, 'viewers' | 'viewerCount' | 'itemIds'>,
  settings: AlsSettings,
  { iterations, threads }: { iterations: number; threads: number },
): Promise<Choice> {
  const itemCount = itemIds.length;
  const cost = viewers.columns.length + ROW_COST_IN_ENTRIES * (viewerCount + itemCount);
  const heldOut = Math.min(MAX_HELD_OUT, Math.floor(MAX_COST_IN_ENTRIES / cost));
  if (heldOut === 0) return { lambda: settings.lambda, ranking: 'factors' };
  const training = { iterations, threads: cost > COST_OF_A_THREAD ? threads : 1 };
  const lambdas = LAMBDA_SHARES.map((share) => share * settings.lambda);
  const byFactors: number[][] = lambdas.map(() => []);
  const byNeighbours: number[] = [];
  for (let part = 0; part < heldOut; part++) {
    const split = holdOut(viewers, part, PARTS);
    const near = neighboursOf(split.train, itemCount, RANKING_NEIGHBOURS);
    byNeighbours.push(...recalls(split, RECALL_AT, rankByNeighbours(near, split.train, RECALL_AT)));
    for (const [place, lambda] of lambdas.entries()) {
      const tried = { ...settings, lambda };
      const factors = await alternate(split.train, itemCount, { ...tried, ...training });
      byFactors[place]!.push(...recalls(split, RECALL_AT, rankByFactors(factors, tried, RECALL_AT)));
    }
  }
  const means = byFactors.map(meanOf);
  const best = means.indexOf(Math.max(...means));
  return {
    lambda: lambdas[best]!,
    ranking: isClearlyMore(byFactors[best]!, byNeighbours) ? 'factors' : 'neighbours',
    recall: { factors: rounded(means[best]!), neighbours: rounded(meanOf(byNeighbours)) },
  };
}

/** As the edge ranks: by factors in a byte each. */
export function rankByFactors(exact: Float32Array, settings: AlsSettings, limit: number): Rank {
  const { factors, lambda } = settings;
  const quantized = quantize(exact, factors);
  const all = Uint32Array.from({ length: quantized.scales.length }, (_, item) => item);
  const gram = gramOf(dequantize(quantized, factors, all), factors, lambda);
  return (watched) => {
    const own = dequantize(quantized, factors, watched.items);
    const viewer = foldIn(watched, own, gram, settings);
    return topItems(viewer.factors, quantized, limit, new Set(watched.items)).map(({ item }) => item);
  };
}

/** By more than chance makes it (two standard errors of the mean difference): the best of several tries flatters itself. */
function isClearlyMore(found: number[], other: number[]): boolean {
  const differences = found.map((value, viewer) => value - other[viewer]!);
  const mean = meanOf(differences);
  const variance = meanOf(differences.map((value) => (value - mean) ** 2));
  return differences.length > 1 && mean > 2 * Math.sqrt(variance / (differences.length - 1));
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
