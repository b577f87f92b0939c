// What may be shown to a viewer: theirs to play, in their country, of the kind asked for, not watched yet.
import type { RecommendQuery } from '../../shared/recommend-api.ts';
import { MIN_WEIGHT } from '../../shared/recommend-model.ts';
import type { ViewerKey } from './viewer-store.ts';

export type Rules = ViewerKey &
  Pick<RecommendQuery, 'kind' | 'visibility'> & {
    country: string | undefined;
    whenCountryUnknown: 'refuse' | 'allow';
    /** Someone who has opted out has no history, not even to hide what they have seen. */
    hidesWatched: boolean;
  };

export type ShownVideo = { id: string; title: string; tags: string[]; createdAt: number };

type Row = { id: string; title: string; tags: string; createdAt: number };

const COLUMNS = 'v.id, v.title, v.tags, v.created_at AS createdAt';

/** Of the named videos those that may be shown, in no order. */
export async function shownOf(db: D1Database, ids: string[], rules: Rules): Promise<Map<string, ShownVideo>> {
  if (ids.length === 0) return new Map();
  const { sql, params } = conditionOf(rules);
  const { results } = await db
    .prepare(`SELECT ${COLUMNS} FROM json_each(?) c JOIN videos v ON v.id = c.value WHERE ${sql}`)
    .bind(JSON.stringify(ids), ...params)
    .all<Row>();
  return new Map(results.map((row) => [row.id, render(row)]));
}

const NEWEST = 500;

/** What is played most of the newest in the library, then the newest themselves. */
export async function mostPlayed(db: D1Database, rules: Rules, limit: number): Promise<ShownVideo[]> {
  const { sql, params } = conditionOf(rules);
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM (SELECT * FROM videos INDEXED BY videos_by_owner WHERE owner_id = ?
                               ORDER BY created_at DESC, id DESC LIMIT ${NEWEST}) v
       LEFT JOIN video_popularity p ON p.video_id = v.id
       WHERE ${sql} ORDER BY coalesce(p.views_per_day, 0) DESC, v.created_at DESC, v.id LIMIT ?`,
    )
    .bind(rules.ownerId, ...params, limit)
    .all<Row>();
  return results.map(render);
}

/** The newest of a library, whoever may see them: the rules are applied when something is shown. */
export async function newestOf(db: D1Database, ownerId: string, limit: number): Promise<ShownVideo[]> {
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM videos v INDEXED BY videos_by_owner
       WHERE owner_id = ? AND ${IS_PLAYABLE} ORDER BY created_at DESC, id DESC LIMIT ?`,
    )
    .bind(ownerId, limit)
    .all<Row>();
  return results.map(render);
}

/** Titles and tags of a viewer's own videos, as far as they still exist. */
export async function knownVideos(
  db: D1Database,
  ids: string[],
  ownerId: string,
): Promise<Map<string, ShownVideo>> {
  if (ids.length === 0) return new Map();
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM json_each(?) c JOIN videos v ON v.id = c.value
       WHERE v.owner_id = ? AND v.state <> 'deleting'`,
    )
    .bind(JSON.stringify(ids), ownerId)
    .all<Row>();
  return new Map(results.map((row) => [row.id, render(row)]));
}

/** As playback has it: something is published, or grows. */
const IS_PLAYABLE = `v.state <> 'deleting'
  AND (v.state = 'playable' OR (v.output_prefix IS NOT NULL AND v.presentation IS NOT NULL))`;

function conditionOf(rules: Rules): { sql: string; params: unknown[] } {
  const { ownerId, viewerId, kind, visibility, country, whenCountryUnknown, hidesWatched } = rules;
  const parts: [sql: string, ...params: unknown[]][] = [['v.owner_id = ?', ownerId], [IS_PLAYABLE]];
  if (kind) parts.push(['v.kind = ?', kind]);
  if (visibility) parts.push(['v.visibility = ?', visibility]);
  if (country !== undefined) {
    parts.push([
      `(v.regions = '[]' OR EXISTS (SELECT 1 FROM json_each(v.regions) WHERE value = ?))`,
      country,
    ]);
  } else if (whenCountryUnknown === 'refuse') parts.push([`v.regions = '[]'`]);
  if (hidesWatched) {
    parts.push([
      `NOT EXISTS (SELECT 1 FROM watch_sessions INDEXED BY watch_sessions_by_viewer
                   WHERE owner_id = ? AND viewer_id = ? AND video_id = v.id AND fraction >= ${MIN_WEIGHT})`,
      ownerId,
      viewerId,
    ]);
  }
  return {
    sql: parts.map(([sql]) => sql).join(' AND '),
    params: parts.flatMap(([, ...params]) => params),
  };
}

function render({ tags, ...row }: Row): ShownVideo {
  return { ...row, tags: JSON.parse(tags) as string[] };
}
