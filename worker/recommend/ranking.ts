// One viewer's ranking: folded into the model at this moment, with what is new mixed in, and with what others watch
// where there is nothing else to go by. The rules are not applied here: they change faster.
import { z } from 'zod';
import { RecommendReason } from '../../shared/recommend-api.ts';
import { dequantize, foldIn, topItems } from '../../shared/recommend-fold-in.ts';
import { diversified } from './diversify.ts';
import { type ItemFactors, indexOfItem, type Model, neighboursOf } from './model.ts';
import { knownVideos, newestOf, type ShownVideo } from './rules.ts';
import type { Watched } from './viewer-store.ts';

export const Ranked = z.object({
  id: z.string(),
  score: z.number(),
  reason: RecommendReason,
  because: z.array(z.string()),
});
export type Ranked = z.infer<typeof Ranked>;

const RANKED = 300;
/** Of these the order is made varied; nobody sees much beyond. */
const DIVERSIFIED = 100;
const MAX_BECAUSE = 2;
/** What the most recent watches lead to, where neighbours rank. */
const NEIGHBOURS_OF_LATEST = 20;
const NEW_VIDEOS = 50;
/** With no model at all, so many of the newest are compared by their tags. */
const TAGGED_VIDEOS = 500;
/** Every so many places one is a new video's that shares tags with what was watched. */
const NEW_EVERY = 5;

export type RankingSources = { db: D1Database; bucket: R2Bucket; ownerId: string };

export async function rankFor(
  history: Watched[],
  model: Model | undefined,
  sources: RankingSources,
): Promise<Ranked[]> {
  const { db, bucket, ownerId } = sources;
  const trending: Ranked[] = (model?.top ?? []).map(([id, score]) => ({
    ...{ id, score: score / 2 },
    reason: 'trending',
    because: [],
  }));
  if (history.length === 0) return trending;
  const watched = new Set(history.map(({ videoId }) => videoId));
  const newest = (await newestOf(db, ownerId, model ? NEW_VIDEOS : TAGGED_VIDEOS)).filter(
    (video) => !watched.has(video.id) && !(model && isKnown(model, video)),
  );
  const tagged = await byTags(history, newest, model ? 'new' : 'tags', sources);
  if (!model) return tagged.slice(0, RANKED);
  const personal =
    model.factors && model.summary.ranking === 'factors'
      ? byFactors(history, model.factors, model.summary)
      : byNeighbours(history, await neighboursOf(bucket, model, latestOf(history)));
  const seen = new Set(watched);
  return interleaved(personal, tagged)
    .concat(trending)
    .filter(({ id }) => !seen.has(id) && seen.add(id))
    .slice(0, RANKED);
}

function isKnown({ factors, summary }: Model, video: ShownVideo): boolean {
  return factors ? indexOfItem(factors.ids, video.id) >= 0 : video.createdAt < summary.trainedAt;
}

function latestOf(history: Watched[]): string[] {
  return history.slice(0, NEIGHBOURS_OF_LATEST).map(({ videoId }) => videoId);
}

export function byFactors(
  history: Watched[],
  { ids, gram, quantized }: ItemFactors,
  { factors, alpha }: { factors: number; alpha: number },
): Ranked[] {
  const known = history
    .map(({ videoId, weight }) => ({ videoId, weight, item: indexOfItem(ids, videoId) }))
    .filter(({ item }) => item >= 0);
  if (known.length === 0) return [];
  const items = Uint32Array.from(known, ({ item }) => item);
  const weights = Float32Array.from(known, ({ weight }) => weight);
  const own = dequantize(quantized, factors, items);
  const viewer = foldIn({ items, weights }, own, gram, { factors, alpha });
  // What comes out at nothing is not there because of what was watched.
  const top = topItems(viewer.factors, quantized, RANKED, new Set(items)).filter(
    ({ score }) => clamped(score) > 0,
  );
  const rows = dequantize(
    quantized,
    factors,
    top.slice(0, DIVERSIFIED).map(({ item }) => item),
  );
  const rowOf = (place: number) => rows.subarray(place * factors, (place + 1) * factors);
  const candidates = top.map(({ item, score }, place) => ({ id: ids[item]!, score, place }));
  const alike = (a: { place: number }, b: { place: number }) =>
    Math.max(0, cosine(rowOf(a.place), rowOf(b.place)));
  const varied = diversified(candidates.slice(0, DIVERSIFIED), alike).map(
    ({ id, score, place }): Ranked => ({
      ...{ id, score: clamped(score), reason: 'watched' },
      because: strongest(viewer.contributions(rowOf(place).slice())).map((entry) => known[entry]!.videoId),
    }),
  );
  const rest = candidates
    .slice(DIVERSIFIED)
    .map(({ id, score }): Ranked => ({ ...{ id, score: clamped(score), reason: 'watched' }, because: [] }));
  return [...varied, ...rest];
}

/** The entries that give the most, if they give anything. */
function strongest(contributions: Float64Array): number[] {
  return [...contributions.keys()]
    .filter((entry) => contributions[entry]! > 0)
    .sort((a, b) => contributions[b]! - contributions[a]!)
    .slice(0, MAX_BECAUSE);
}

export function byNeighbours(
  history: Watched[],
  neighbours: Map<string, [id: string, similarity: number][]>,
): Ranked[] {
  const found = new Map<string, { score: number; because: { id: string; part: number }[] }>();
  for (const { videoId, weight } of history) {
    for (const [id, similarity] of neighbours.get(videoId) ?? []) {
      const entry = found.get(id) ?? { score: 0, because: [] };
      entry.score += weight * similarity;
      entry.because.push({ id: videoId, part: weight * similarity });
      found.set(id, entry);
    }
  }
  const most = [...found.values()].reduce((largest, { score }) => Math.max(largest, score), 0);
  const ranked = [...found]
    .map(
      ([id, { score, because }]): Ranked => ({
        ...{ id, score: score / most, reason: 'similar' },
        because: because
          .sort((a, b) => b.part - a.part)
          .slice(0, MAX_BECAUSE)
          .map((reason) => reason.id),
      }),
    )
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
    .slice(0, RANKED);
  // Two that come of the same video are alike.
  return diversified(ranked, (a, b) => Number(a.because[0] === b.because[0]));
}

async function byTags(
  history: Watched[],
  candidates: ShownVideo[],
  reason: 'new' | 'tags',
  { db, ownerId }: RankingSources,
): Promise<Ranked[]> {
  const known = await knownVideos(
    db,
    history.map(({ videoId }) => videoId),
    ownerId,
  );
  return rankByTags(
    history.flatMap(({ videoId, weight }) => {
      const video = known.get(videoId);
      return video ? [{ id: videoId, tags: video.tags, weight }] : [];
    }),
    candidates,
    reason,
  );
}

/** The cosine between the tags of what was watched, by weight, and those of a video. */
export function rankByTags(
  history: { id: string; tags: string[]; weight: number }[],
  candidates: { id: string; tags: string[] }[],
  reason: 'new' | 'tags',
): Ranked[] {
  const profile = new Map<string, number>();
  for (const { tags, weight } of history) {
    for (const tag of tags) profile.set(tag, (profile.get(tag) ?? 0) + weight);
  }
  const length = Math.hypot(...profile.values());
  const ranked = candidates.flatMap(({ id, tags }): Ranked[] => {
    const dot = tags.reduce((sum, tag) => sum + (profile.get(tag) ?? 0), 0);
    if (dot === 0) return [];
    const because = history
      .filter((watched) => watched.tags.some((tag) => tags.includes(tag)))
      .slice(0, MAX_BECAUSE)
      .map((watched) => watched.id);
    return [{ id, score: clamped(dot / (length * Math.sqrt(tags.length))), reason, because }];
  });
  return ranked.sort((a, b) => b.score - a.score);
}

function interleaved(main: Ranked[], others: Ranked[]): Ranked[] {
  const result: Ranked[] = [];
  const waiting = [...others];
  for (const entry of main) {
    if (result.length % NEW_EVERY === NEW_EVERY - 1) result.push(...waiting.splice(0, 1));
    result.push(entry);
  }
  return [...result, ...waiting];
}

function cosine(a: Float64Array, b: Float64Array): number {
  let dot = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let index = 0; index < a.length; index++) {
    dot += a[index]! * b[index]!;
    lengthA += a[index]! ** 2;
    lengthB += b[index]! ** 2;
  }
  return lengthA === 0 || lengthB === 0 ? 0 : dot / Math.sqrt(lengthA * lengthB);
}

function clamped(score: number): number {
  return Math.round(Math.min(1, Math.max(0, score)) * 1e4) / 1e4;
}
