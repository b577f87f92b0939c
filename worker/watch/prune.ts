// What is forgotten of watching: how a session played after a week, as its sums are kept; what it watched after
// thirteen months, so that a year can be set beside the year before; sums after that time too.
import { DAY_SECONDS, HOUR_SECONDS } from '../../shared/limits.ts';

const QOE_SESSION_SECONDS = 7 * DAY_SECONDS;
const KEPT_SECONDS = 400 * DAY_SECONDS;
const MAX_PRUNED = 1000;

/** The cron's part; a bounded amount per run. */
export async function pruneWatch(db: D1Database): Promise<void> {
  await db.batch([
    db.prepare(
      `DELETE FROM qoe_sessions WHERE session_id IN (
         SELECT session_id FROM qoe_sessions INDEXED BY qoe_sessions_by_age
         WHERE heard_at < unixepoch() - ${QOE_SESSION_SECONDS} ORDER BY heard_at LIMIT ${MAX_PRUNED})`,
    ),
    db.prepare(
      `DELETE FROM watch_sessions WHERE session_id IN (
         SELECT session_id FROM watch_sessions INDEXED BY watch_sessions_by_begin
         WHERE begun_at < unixepoch() - ${KEPT_SECONDS} ORDER BY begun_at LIMIT ${MAX_PRUNED})`,
    ),
    db.prepare(
      `DELETE FROM qoe_hours WHERE (hour, owner_id, video_id, rung, country, app) IN (
         SELECT hour, owner_id, video_id, rung, country, app FROM qoe_hours
         WHERE hour < unixepoch() / ${HOUR_SECONDS} - ${KEPT_SECONDS / HOUR_SECONDS} ORDER BY hour LIMIT ${MAX_PRUNED})`,
    ),
  ]);
}
