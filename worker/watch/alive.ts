// A session that tells of itself is alive for the limit of concurrent sessions, as one that is renewed.

/** Of 90 seconds that a session lives unheard; beacons that come sooner change nothing worth a write. */
const TOUCHED_SECONDS = 30;
const LIVE_SECONDS = 90;

/** One that was unheard for too long has lost its place and takes a new one only where there is room. */
export function keepAliveStatement(
  db: D1Database,
  maxConcurrentSessions: number,
  sessionIds: readonly string[],
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET seen_at = unixepoch()
       WHERE id IN (SELECT value FROM json_each(?1)) AND revoked_at IS NULL AND expires_at > unixepoch()
         AND seen_at <= unixepoch() - ${TOUCHED_SECONDS}
         AND (?2 = 0 OR viewer_id = '' OR seen_at > unixepoch() - ${LIVE_SECONDS} OR ?2 > (
           SELECT count(*) FROM sessions other WHERE other.owner_id = sessions.owner_id
             AND other.viewer_id = sessions.viewer_id AND other.revoked_at IS NULL
             AND other.expires_at > unixepoch() AND other.seen_at > unixepoch() - ${LIVE_SECONDS}))`,
    )
    .bind(JSON.stringify(sessionIds), maxConcurrentSessions);
}
