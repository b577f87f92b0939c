// SQL of one viewer: what they want, what they have watched, the ranking made for them, and forgetting all of it.
import { HOUR_SECONDS } from '../../shared/limits.ts';
import { MAX_WEIGHT, MIN_WEIGHT } from '../../shared/recommend-model.ts';

export type ViewerKey = { ownerId: string; viewerId: string };

/** The newest so many videos say enough of a viewer, and fold in within a millisecond or two. */
const MAX_HISTORY = 200;
const RANKING_KEPT_SECONDS = HOUR_SECONDS;
const MAX_PRUNED = 1000;

export type Watched = { videoId: string; weight: number };

export type ViewerState = {
  isOptedOut: boolean;
  /** Newest first. */
  history: Watched[];
  model: { runId: string; prefix: string } | undefined;
  /** Not older than an hour. */
  kept: { fingerprint: string; ranking: string; madeAt: number } | undefined;
};

/** All that is known of a viewer, and the model that stands, in one round trip. */
export async function viewerState(db: D1Database, { ownerId, viewerId }: ViewerKey): Promise<ViewerState> {
  const [settings, history, model, kept] = await db.batch<Record<string, unknown>>([
    db.prepare('SELECT opted_out FROM viewers WHERE owner_id = ? AND viewer_id = ?').bind(ownerId, viewerId),
    db
      .prepare(
        `SELECT video_id AS videoId, min(${MAX_WEIGHT}, sum(fraction)) AS weight
         FROM watch_sessions INDEXED BY watch_sessions_by_viewer WHERE owner_id = ? AND viewer_id = ?
         GROUP BY video_id HAVING sum(fraction) >= ${MIN_WEIGHT}
         ORDER BY max(heard_at) DESC, video_id LIMIT ${MAX_HISTORY}`,
      )
      .bind(ownerId, viewerId),
    db.prepare('SELECT run_id AS runId, prefix FROM recommend_models WHERE owner_id = ?').bind(ownerId),
    db
      .prepare(
        `SELECT fingerprint, ranking, made_at AS madeAt FROM viewer_rankings
         WHERE owner_id = ? AND viewer_id = ? AND made_at > unixepoch() - ${RANKING_KEPT_SECONDS}`,
      )
      .bind(ownerId, viewerId),
  ]);
  const isOptedOut = settings?.results[0]?.opted_out === 1;
  return {
    isOptedOut,
    // '' is nobody in particular: all guests together are not one person.
    history: isOptedOut || viewerId === '' ? [] : ((history?.results ?? []) as Watched[]),
    model: model?.results[0] as ViewerState['model'],
    kept: kept?.results[0] as ViewerState['kept'],
  };
}

/** Keeps a ranking, unless the viewer has opted out in the meantime. */
export async function keepRanking(
  db: D1Database,
  { ownerId, viewerId }: ViewerKey,
  fingerprint: string,
  ranking: string,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO viewer_rankings (owner_id, viewer_id, fingerprint, ranking) SELECT ?1, ?2, ?3, ?4
       WHERE NOT EXISTS (SELECT 1 FROM viewers WHERE owner_id = ?1 AND viewer_id = ?2 AND opted_out = 1)
         -- Nor has the viewer been forgotten while it was made.
         AND EXISTS (SELECT 1 FROM watch_sessions INDEXED BY watch_sessions_by_viewer
                     WHERE owner_id = ?1 AND viewer_id = ?2)
       ON CONFLICT (owner_id, viewer_id) DO UPDATE SET fingerprint = excluded.fingerprint,
         ranking = excluded.ranking, made_at = unixepoch()`,
    )
    .bind(ownerId, viewerId, fingerprint, ranking)
    .run();
}

export async function setOptOut(
  db: D1Database,
  { ownerId, viewerId }: ViewerKey,
  isOptedOut: boolean,
): Promise<void> {
  await db.batch([
    isOptedOut
      ? db
          .prepare(
            `INSERT INTO viewers (owner_id, viewer_id, opted_out) VALUES (?, ?, 1)
             ON CONFLICT (owner_id, viewer_id) DO UPDATE SET opted_out = 1, updated_at = unixepoch()`,
          )
          .bind(ownerId, viewerId)
      : db.prepare('DELETE FROM viewers WHERE owner_id = ? AND viewer_id = ?').bind(ownerId, viewerId),
    db.prepare('DELETE FROM viewer_rankings WHERE owner_id = ? AND viewer_id = ?').bind(ownerId, viewerId),
    ...restartExport(db, { ownerId, viewerId }),
  ]);
}

/**
 * Forgets a viewer. Sessions whose tokens still live stay as revoked rows of nobody, which is what ends them on the
 * media path; they go with their time. The roll-ups hold sums without names.
 */
export async function eraseViewer(db: D1Database, { ownerId, viewerId }: ViewerKey): Promise<void> {
  const key = [ownerId, viewerId];
  const ofViewer = 'owner_id = ? AND viewer_id = ?';
  await db.batch([
    db
      .prepare(
        `DELETE FROM qoe_sessions WHERE session_id IN (SELECT session_id FROM watch_sessions
           INDEXED BY watch_sessions_by_viewer WHERE ${ofViewer})
         OR session_id IN (SELECT id FROM sessions WHERE ${ofViewer})`,
      )
      .bind(...key, ...key),
    ...['watch_sessions', 'viewer_devices', 'viewer_rankings', 'viewers'].map((table) =>
      db.prepare(`DELETE FROM ${table} WHERE ${ofViewer}`).bind(...key),
    ),
    db.prepare(`DELETE FROM sessions WHERE ${ofViewer} AND expires_at <= unixepoch()`).bind(...key),
    db
      .prepare(
        `UPDATE sessions SET viewer_id = '', device_id = NULL, country = NULL,
           revoked_at = coalesce(revoked_at, unixepoch()) WHERE ${ofViewer}`,
      )
      .bind(...key),
    ...restartExport(db, { ownerId, viewerId }),
  ]);
}

/** An export that stands at this viewer begins anew: its cursor is a name. */
function restartExport(db: D1Database, { ownerId, viewerId }: ViewerKey): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `UPDATE recommend_runs SET parts = 0, export_rows = 0, export_viewers = 0, is_exported = 0,
           cursor_viewer = '', cursor_video = ''
         WHERE owner_id = ? AND cursor_viewer = ? AND state IN ('queued', 'running')`,
      )
      .bind(ownerId, viewerId),
  ];
}

export async function pruneRankings(db: D1Database): Promise<void> {
  await db
    .prepare(
      `DELETE FROM viewer_rankings WHERE (owner_id, viewer_id) IN (
         SELECT owner_id, viewer_id FROM viewer_rankings INDEXED BY viewer_rankings_by_age
         WHERE made_at <= unixepoch() - ${RANKING_KEPT_SECONDS} ORDER BY made_at LIMIT ${MAX_PRUNED})`,
    )
    .run();
}
