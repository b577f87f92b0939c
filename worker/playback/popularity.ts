// How long the edge keeps what belongs to a video, by its views of the last day; a play whose player tells nothing
// of it counts as one. The media path reads a snapshot and never waits for D1; one that is old or missing costs a
// shorter life in a cache.
import { DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';

/** Most viewed first. */
const CLASSES = [
  { viewsAbove: 10_000, ttlSeconds: 7 * DAY_SECONDS },
  { viewsAbove: 1000, ttlSeconds: 3 * DAY_SECONDS },
] as const;
const PLAIN_TTL_SECONDS = DAY_SECONDS;
const LEAST_VIEWS = CLASSES.at(-1)!.viewsAbove;

const SNAPSHOT_AGE_MS = 5 * MINUTE_SECONDS * SECOND_MS;
/** The most viewed; the others live as plain ones do. */
const MAX_POPULAR = 2000;

type Snapshot = { ttlByPrefix: ReadonlyMap<string, number>; takenAtMs: number };

let snapshot: Snapshot = { ttlByPrefix: new Map(), takenAtMs: Number.NEGATIVE_INFINITY };

type Sources = { db: D1Database; log: Log; nowMs: number; waitUntil(work: Promise<unknown>): void };

/** Seconds the edge keeps objects under a generation's prefix. */
export function edgeTtlSeconds(prefix: string, { db, log, nowMs, waitUntil }: Sources): number {
  const taken = snapshot;
  if (nowMs - taken.takenAtMs >= SNAPSHOT_AGE_MS) {
    snapshot = { ...taken, takenAtMs: nowMs }; // one refresh at a time
    waitUntil(refresh(db, nowMs, log));
  }
  return taken.ttlByPrefix.get(prefix) ?? PLAIN_TTL_SECONDS;
}

async function refresh(db: D1Database, startedMs: number, log: Log): Promise<void> {
  try {
    snapshot = { ttlByPrefix: await popularPrefixes(db), takenAtMs: startedMs };
  } catch (error) {
    log.warn('playback.popularity_stale', errorFields(error));
  }
}

export async function popularPrefixes(db: D1Database): Promise<Map<string, number>> {
  const { results } = await db
    .prepare(
      `SELECT output_prefix AS prefix, views_per_day AS viewsPerDay
       FROM video_popularity INDEXED BY video_popularity_by_views JOIN videos ON videos.id = video_id
       WHERE views_per_day > ${LEAST_VIEWS} AND output_prefix IS NOT NULL
       ORDER BY views_per_day DESC LIMIT ${MAX_POPULAR}`,
    )
    .all<{ prefix: string; viewsPerDay: number }>();
  return new Map(results.map(({ prefix, viewsPerDay }) => [prefix, ttlOf(viewsPerDay)]));
}

function ttlOf(viewsPerDay: number): number {
  return CLASSES.find(({ viewsAbove }) => viewsPerDay > viewsAbove)?.ttlSeconds ?? PLAIN_TTL_SECONDS;
}

/** The cron's part: counts the views of the last day, once an hour, and forgets who has none. */
export async function countViews(db: D1Database): Promise<void> {
  await db.batch([
    db.prepare(
      `INSERT INTO video_popularity (video_id, views_per_day, counted_at)
       SELECT s.video_id, count(*), unixepoch() FROM sessions s INDEXED BY sessions_by_begin
         LEFT JOIN watch_sessions w ON w.session_id = s.id
       WHERE s.created_at > unixepoch() - ${DAY_SECONDS} AND coalesce(w.is_view, 1) = 1
         AND NOT EXISTS (SELECT 1 FROM video_popularity INDEXED BY video_popularity_by_count
                         WHERE counted_at > unixepoch() - ${HOUR_SECONDS})
       GROUP BY s.video_id
       ON CONFLICT (video_id) DO UPDATE SET views_per_day = excluded.views_per_day, counted_at = excluded.counted_at`,
    ),
    db.prepare(
      `DELETE FROM video_popularity INDEXED BY video_popularity_by_count
       WHERE counted_at < unixepoch() - ${2 * HOUR_SECONDS}`,
    ),
  ]);
}
