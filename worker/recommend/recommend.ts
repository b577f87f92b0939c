// One answer: the viewer's ranking, kept for an hour unless they have watched on, under the rules of this moment.
import { z } from 'zod';
import { errorFields, type Log } from '../../shared/log.ts';
import type { Recommendation, Recommendations } from '../../shared/recommend-api.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { loadModel, type Model } from './model.ts';
import { Ranked, rankFor } from './ranking.ts';
import { knownVideos, mostPlayed, type Rules, type ShownVideo, shownOf } from './rules.ts';
import { keepRanking, type ViewerState, viewerState } from './viewer-store.ts';

/** A kept ranking is made anew when the watched share of a video has moved by so much. */
const WEIGHT_STEP = 0.25;

export type RecommendSources = {
  db: D1Database;
  bucket: R2Bucket;
  log: Log;
  waitUntil(work: Promise<unknown>): void;
};

export async function recommend(
  rules: Omit<Rules, 'hidesWatched'>,
  limit: number,
  sources: RecommendSources,
): Promise<Recommendations> {
  const { db } = sources;
  const state = await viewerState(db, rules);
  const isPersonal = state.history.length > 0;
  const { ranking, madeAtSeconds } = await rankingFor(state, rules, sources);
  const whole: Rules = { ...rules, hidesWatched: isPersonal };
  const ranked = await shown(ranking, whole, limit, db);
  const titles = await knownVideos(db, [...new Set(ranked.flatMap(({ because }) => because))], rules.ownerId);
  return {
    recommendations: ranked.map((entry) => rendered(entry, titles)),
    model: state.model?.runId ?? null,
    isPersonal,
    generatedAt: rfc3339(madeAtSeconds),
  };
}

async function rankingFor(
  state: ViewerState,
  { ownerId, viewerId }: Rules | Omit<Rules, 'hidesWatched'>,
  { db, bucket, log, waitUntil }: RecommendSources,
): Promise<{ ranking: Ranked[]; madeAtSeconds: number }> {
  const fingerprint = await fingerprintOf(state);
  const { kept } = state;
  if (kept?.fingerprint === fingerprint) {
    return { ranking: z.array(Ranked).parse(JSON.parse(kept.ranking)), madeAtSeconds: kept.madeAt };
  }
  const model = await modelOf(state, bucket, log);
  const ranking = await rankFor(state.history, model, { db, bucket, ownerId });
  // What everyone gets is not worth a row, nor is what was made without a model that is only out of reach.
  if (state.history.length > 0 && (model || !state.model)) {
    waitUntil(keepRanking(db, { ownerId, viewerId }, fingerprint, JSON.stringify(ranking)));
  }
  return { ranking, madeAtSeconds: Math.floor(Date.now() / 1000) };
}

/** A model that cannot be read costs its recommendations, never the answer. */
async function modelOf({ model }: ViewerState, bucket: R2Bucket, log: Log): Promise<Model | undefined> {
  if (!model) return undefined;
  try {
    return await loadModel(bucket, model.prefix);
  } catch (error) {
    log.error('recommend.model_unreadable', { runId: model.runId, ...errorFields(error) });
    return undefined;
  }
}

/** Of what a ranking is made from. */
async function fingerprintOf({ model, history }: ViewerState): Promise<string> {
  const steps = history.map(({ videoId, weight }) => [videoId, Math.floor(weight / WEIGHT_STEP)]);
  const text = JSON.stringify([model?.prefix ?? '', steps]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Buffer.from(digest).toString('hex');
}

type Shown = Ranked & { title: string };

/** The ranking under the rules, and after it what is played most in the library. */
async function shown(ranking: Ranked[], rules: Rules, limit: number, db: D1Database): Promise<Shown[]> {
  const allowed = await shownOf(
    db,
    ranking.map(({ id }) => id),
    rules,
  );
  const result = ranking
    .flatMap((entry) => {
      const video = allowed.get(entry.id);
      return video ? [{ ...entry, title: video.title }] : [];
    })
    .slice(0, limit);
  if (result.length === limit) return result;
  const taken = new Set(result.map(({ id }) => id));
  // As many more as are taken, since it may be these that are played most.
  const filling = (await mostPlayed(db, rules, limit + taken.size)).filter(({ id }) => !taken.has(id));
  const filled = filling.map(
    ({ id, title }): Shown => ({ ...{ id, title }, score: 0, reason: 'trending', because: [] }),
  );
  return [...result, ...filled].slice(0, limit);
}

function rendered(
  { id, title, score, reason, because }: Shown,
  titles: Map<string, ShownVideo>,
): Recommendation {
  const known = because.flatMap((videoId) => {
    const video = titles.get(videoId);
    return video ? [{ videoId, title: video.title }] : [];
  });
  return { videoId: id, title, score, why: { reason, text: sentenceOf(reason, known), because: known } };
}

function sentenceOf(reason: Ranked['reason'], because: { title: string }[]): string {
  const names = because.map(({ title }) => `“${title}”`).join(' and ');
  switch (reason) {
    case 'watched':
      return names ? `Because you watched ${names}.` : 'By what you have watched.';
    case 'similar':
      return names
        ? `Viewers of ${names} watch this too.`
        : 'Viewers of what you have watched watch this too.';
    case 'tags':
      return names ? `It has tags of ${names}.` : 'It has tags of what you have watched.';
    case 'new':
      return names ? `New, with tags of ${names}.` : 'New, with tags of what you have watched.';
    case 'trending':
      return 'Much watched at the moment.';
  }
}
