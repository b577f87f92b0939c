// SQL of what everybody may watch.
import type { VideoKind } from '../../shared/api.ts';
import { jobOfPrefix } from '../../shared/object-keys.ts';
import { playableGrowths } from '../jobs/growth-store.ts';

export type PublicPlace = {
  /** Name of the generation that new viewers are given; absent while nothing is there to watch. */
  current?: { generation: string; manifestRevision: number };
  /** Everything that is kept there, by its name. */
  generations: Record<string, PublicGeneration>;
};

export type PublicGeneration = {
  prefix: string;
  /** Countries it may be watched in; empty for all. */
  regions: string[];
};

/** A video that everybody may watch. What is protected is nobody's without a token, whatever it says of itself. */
const IS_PUBLIC = `v.visibility = 'public' AND v.protection = 'none' AND v.state <> 'deleting'`;

const IS_CLEAR = `NOT EXISTS (SELECT 1 FROM content_keys c WHERE c.job_id = kept.job_id)
  AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = kept.job_id
                  AND coalesce(j.options ->> '$.protection', 'none') <> 'none')`;

/** Ours first: a client's own id may look like one of them. */
const VIDEO_AT = `coalesce((SELECT id FROM videos WHERE id = ?2 AND kind = ?1),
  (SELECT video_id FROM contents WHERE kind = ?1 AND content_id = ?2))`;

type VideoRow = { id: string; prefix: string | null; manifestRevision: number; regions: string };
type GenerationRow = { prefix: string; regions: string };

/** Undefined where nothing is, or nothing public. */
export async function placeIn(
  db: D1Database,
  { kind, id }: { kind: VideoKind; id: string },
): Promise<PublicPlace | undefined> {
  const [videos, generations] = await db.batch([
    db
      .prepare(
        `SELECT v.id, v.output_prefix AS prefix, v.manifest_revision AS manifestRevision, v.regions
         FROM videos v WHERE v.id = ${VIDEO_AT} AND ${IS_PUBLIC}`,
      )
      .bind(kind, id),
    db.prepare(GENERATIONS_AT).bind(kind, id),
  ]);
  const video = videos?.results[0] as VideoRow | undefined;
  if (!video) return undefined;
  const rows = (generations?.results ?? []) as GenerationRow[];
  const place: PublicPlace = {
    generations: Object.fromEntries(
      rows.map(({ prefix, regions }) => [jobOfPrefix(prefix), { prefix, regions: JSON.parse(regions) }]),
    ),
  };
  const prefix = video.prefix ?? (await playableGrowths(db, video.id))[0]?.prefix;
  const generation = jobOfPrefix(prefix ?? '');
  if (prefix !== undefined && place.generations[generation]?.prefix === prefix) {
    place.current = { generation, manifestRevision: video.manifestRevision };
  }
  return place;
}

/**
 * Of the video at a place and of those its owner showed there before: published, kept for who plays it, growing.
 * CROSS joins, since the planner would else begin with all that grows or is kept anywhere.
 */
const GENERATIONS_AT = `
  WITH main AS (SELECT v.id, v.kind, v.content_id, v.owner_id FROM videos v WHERE v.id = ${VIDEO_AT} AND ${IS_PUBLIC}),
  shown AS (
    SELECT v.id, v.output_prefix, v.published_job, v.regions FROM videos v
    WHERE v.id = (SELECT id FROM main)
    UNION
    SELECT v.id, v.output_prefix, v.published_job, v.regions
    FROM main m JOIN videos v ON v.kind = m.kind AND v.content_id = m.content_id
    WHERE v.owner_id = m.owner_id AND v.content_id IS NOT NULL AND ${IS_PUBLIC}
  ),
  kept AS (
    SELECT output_prefix AS prefix, published_job AS job_id, regions FROM shown WHERE output_prefix IS NOT NULL
    UNION ALL
    SELECT g.prefix, g.job_id, s.regions FROM shown s CROSS JOIN growths g ON g.video_id = s.id WHERE g.closed_at IS NULL
    UNION ALL
    SELECT j.output_prefix, j.id, s.regions
    FROM shown s CROSS JOIN jobs j ON j.video_id = s.id
    CROSS JOIN stale_generations k ON k.job_id = j.id AND k.part = 'ladder'
    WHERE j.state = 'succeeded'
  )
  SELECT prefix, regions FROM kept WHERE ${IS_CLEAR}`;

/** Generations of a video that may lie where nobody is asked who they are: published or kept, and for every country. */
export async function publicPrefixesOf(db: D1Database, videoId: string): Promise<string[]> {
  const { results } = await db
    .prepare(
      `WITH shown AS (SELECT v.* FROM videos v WHERE v.id = ? AND v.regions = '[]' AND ${IS_PUBLIC}),
       kept AS (
         SELECT output_prefix AS prefix, published_job AS job_id FROM shown WHERE output_prefix IS NOT NULL
         UNION ALL
         SELECT j.output_prefix, j.id FROM shown s JOIN jobs j ON j.video_id = s.id
         JOIN stale_generations k ON k.job_id = j.id AND k.part = 'ladder'
         WHERE j.state = 'succeeded'
       )
       SELECT prefix FROM kept WHERE ${IS_CLEAR}`,
    )
    .bind(videoId)
    .all<{ prefix: string }>();
  return results.map(({ prefix }) => prefix);
}
