// How much of what viewers went on to watch three ways of ranking would have shown them.
import type { AlsSettings, SparseRows } from '../../shared/recommend-als.ts';
import { alternate } from '../../transcoder/recommend/alternate.ts';
import { ALPHA, factorsFor, ITERATIONS, lambdaFor } from '../../transcoder/recommend/build-model.ts';
import {
  type Choice,
  chooseRanking,
  RANKING_NEIGHBOURS,
  rankByFactors,
} from '../../transcoder/recommend/choose-ranking.ts';
import { neighboursOf } from '../../transcoder/recommend/neighbours.ts';
import { meanOf, rankByNeighbours, recalls } from '../../transcoder/recommend/recall.ts';
import type { History } from './watch-history.ts';

export const LIMIT = 20;

export type Recalls = { als: number; cosine: number; popularity: number };

/** Each way ranks what a viewer has not watched; recall is of what was held out. ALS as the edge does it, by bytes. */
export async function recallsOf(history: History, settings: AlsSettings, threads: number): Promise<Recalls> {
  const { train, items } = history;
  const exact = await alternate(train, items, { ...settings, iterations: ITERATIONS, threads });
  const found = (rank: Parameters<typeof recalls>[2]) => meanOf(recalls(history, LIMIT, rank));
  return {
    als: found(rankByFactors(exact, settings, LIMIT)),
    cosine: found(rankByNeighbours(neighboursOf(train, items, items), train, LIMIT)),
    // Nothing is near to anything.
    popularity: found(
      rankByNeighbours(
        Array.from({ length: items }, () => []),
        train,
        LIMIT,
      ),
    ),
  };
}

/** The same with what a training run chooses for such a library, and what it would serve. */
export async function chosenRecallsOf(
  history: History,
  threads: number,
): Promise<Recalls & { served: number; choice: Choice }> {
  const { train, items } = history;
  const usual = settingsFor(train, items, factorsFor(items));
  const choice = await chooseRanking(asInteractions(train, items), usual, {
    iterations: ITERATIONS,
    threads,
  });
  const told = await recallsOf(history, { ...usual, lambda: choice.lambda }, threads);
  if (choice.ranking === 'factors') return { ...told, served: told.als, choice };
  const near = neighboursOf(train, items, RANKING_NEIGHBOURS);
  return { ...told, served: meanOf(recalls(history, LIMIT, rankByNeighbours(near, train, LIMIT))), choice };
}

export function asInteractions(viewers: SparseRows, items: number) {
  const itemIds = Array.from({ length: items }, (_, item) => String(item));
  return { viewers, viewerCount: viewers.offsets.length - 1, itemIds };
}

export function settingsFor(train: SparseRows, items: number, factors: number): AlsSettings {
  const lambda = lambdaFor(train.columns.length, train.offsets.length - 1, items);
  return { factors, alpha: ALPHA, lambda };
}
