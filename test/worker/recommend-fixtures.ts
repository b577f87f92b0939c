// A library whose viewers have tastes, and the model a transcoder would have trained of it.
import { env } from 'cloudflare:test';
import {
  MODEL_FACTORS,
  MODEL_ITEMS,
  MODEL_SUMMARY,
  MODEL_TOP,
  neighbourShardName,
  recommendModelPrefix,
} from '../../shared/object-keys.ts';
import { gramOf } from '../../shared/recommend-als.ts';
import { dequantize, quantize } from '../../shared/recommend-fold-in.ts';
import { factorBytes, type ModelSummary } from '../../shared/recommend-model.ts';
import { PRESENTATION } from './playback-fixtures.ts';

export type VideoChoices = {
  title?: string;
  kind?: string;
  visibility?: string;
  regions?: string[];
  tags?: string[];
  state?: string;
  isPublished?: boolean;
  ageSeconds?: number;
};

/** A published video that anyone may see, unless told otherwise. */
export async function addVideo(ownerId: string, choices: VideoChoices = {}): Promise<string> {
  const id = crypto.randomUUID();
  const { isPublished = true } = choices;
  await env.DB.prepare(
    `INSERT INTO videos (id, owner_id, title, kind, visibility, protection, regions, tags, state, output_prefix,
       presentation, created_at) VALUES (?, ?, ?, ?, ?, 'none', ?, ?, ?, ?, ?, unixepoch() - ?)`,
  )
    .bind(
      ...[id, ownerId, choices.title ?? `Film ${id.slice(0, 4)}`, choices.kind ?? 'movie'],
      ...[choices.visibility ?? 'private', JSON.stringify(choices.regions ?? [])],
      ...[JSON.stringify(choices.tags ?? []), choices.state ?? 'ready'],
      isPublished ? `hls/videos/${id}/one/` : null,
      isPublished ? JSON.stringify(PRESENTATION) : null,
      choices.ageSeconds ?? 3600,
    )
    .run();
  return id;
}

export async function watch(
  ownerId: string,
  viewerId: string,
  videoId: string,
  fraction = 1,
  agoSeconds = 60,
): Promise<string> {
  const sessionId = crypto.randomUUID();
  await env.DB.prepare(
    `INSERT INTO watch_sessions (session_id, owner_id, viewer_id, video_id, begun_at, heard_at, version, last_seq,
       base_seq, seen_bits, events, duration_seconds, watched_seconds, max_position_seconds, covered, fraction,
       is_view, is_completed)
     VALUES (?, ?, ?, ?, unixepoch() - ?5, unixepoch() - ?5, 1, 1, 0, '', 1, 100, 100, 100, '', ?6, 1, 0)`,
  )
    .bind(sessionId, ownerId, viewerId, videoId, agoSeconds, fraction)
    .run();
  return sessionId;
}

const FACTORS = 8;

/** Each video lies in the direction of its taste, a little apart from the others of it. */
export async function publishTasteModel(
  ownerId: string,
  tastes: Record<string, number>,
  choices: {
    hasFactors?: boolean;
    ranking?: ModelSummary['ranking'];
    top?: string[];
    trainedAt?: number;
  } = {},
): Promise<{ runId: string; prefix: string }> {
  const { hasFactors = true, ranking = hasFactors ? 'factors' : 'neighbours' } = choices;
  const runId = crypto.randomUUID();
  const prefix = recommendModelPrefix(runId, 1);
  const ids = Object.keys(tastes).sort();
  const rows = new Float32Array(ids.length * FACTORS);
  for (const [item, id] of ids.entries()) {
    rows[item * FACTORS + tastes[id]!] = 1;
    rows[item * FACTORS + FACTORS - 1] = 0.02 * (item % 5);
  }
  const quantized = quantize(rows, FACTORS);
  const exact = dequantize(
    quantized,
    FACTORS,
    ids.map((_, item) => item),
  );
  const summary: ModelSummary = {
    v: 1,
    ...{ factors: FACTORS, alpha: 10, lambda: 0.1, viewers: 1, items: ids.length, rows: 1 },
    ...{ hasFactors, ranking, neighbourShards: 1, seconds: 1 },
    trainedAt: choices.trainedAt ?? Math.floor(Date.now() / 1000) - 60,
  };
  const neighbours = Object.fromEntries(
    ids.map((id) => [
      id,
      ids
        .filter((other) => other !== id && tastes[other] === tastes[id])
        .map((other, place) => [other, 1 / (place + 1)]),
    ]),
  );
  const objects: [name: string, body: string | Uint8Array][] = [
    [MODEL_SUMMARY, JSON.stringify(summary)],
    [MODEL_TOP, JSON.stringify((choices.top ?? ids).map((id, place) => [id, 1 / (place + 1)]))],
    [neighbourShardName(0), JSON.stringify(neighbours)],
    ...(hasFactors
      ? ([
          [MODEL_ITEMS, JSON.stringify(ids)],
          [MODEL_FACTORS, factorBytes(gramOf(exact, FACTORS, summary.lambda), quantized)],
        ] as [string, string | Uint8Array][])
      : []),
  ];
  await Promise.all(objects.map(([name, body]) => env.MEDIA.put(prefix + name, body)));
  await env.DB.prepare(
    `INSERT INTO recommend_models (owner_id, run_id, prefix, begun_at) VALUES (?, ?, ?, unixepoch())
     ON CONFLICT (owner_id) DO UPDATE SET run_id = excluded.run_id, prefix = excluded.prefix`,
  )
    .bind(ownerId, runId, prefix)
    .run();
  return { runId, prefix };
}
