// SQL of play sessions, and the one read of a video that playing needs.
import { Presentation } from '../../shared/messages.ts';

export type PlayableVideo = {
  id: string;
  ownerId: string;
  outputPrefix?: string;
  presentation?: Presentation;
};

export type PlaySession = {
  id: string;
  videoId: string;
  outputPrefix: string;
  ttlSeconds: number;
  /** Highest rung the session may see; null for all. */
  maxRung: number | null;
  isRevoked: boolean;
  hasPoster: boolean;
  hasStoryboard: boolean;
  hasPreview: boolean;
};

/** What SQLite answers as 0 or 1. */
type Flag = 'isRevoked' | 'hasPoster' | 'hasStoryboard' | 'hasPreview';

type NewSession = {
  id: string;
  videoId: string;
  viewerId: string;
  deviceId: string | undefined;
  outputPrefix: string;
  ttlSeconds: number;
  maxRung: number | undefined;
};

export async function videoOf(
  db: D1Database,
  videoId: string,
  ownerId: string,
): Promise<PlayableVideo | undefined> {
  const row = await db
    .prepare(
      `SELECT id, owner_id AS ownerId, output_prefix AS outputPrefix, presentation FROM videos
       WHERE id = ? AND owner_id = ? AND state <> 'deleting'`,
    )
    .bind(videoId, ownerId)
    .first<{ id: string; ownerId: string; outputPrefix: string | null; presentation: string | null }>();
  if (!row) return undefined;
  return {
    id: row.id,
    ownerId: row.ownerId,
    outputPrefix: row.outputPrefix ?? undefined,
    presentation: row.presentation === null ? undefined : Presentation.parse(JSON.parse(row.presentation)),
  };
}

/** @returns when the session expires, Unix seconds; undefined when the video was deleted meanwhile. */
export async function insertSession(db: D1Database, session: NewSession): Promise<number | undefined> {
  const row = await db
    .prepare(
      `INSERT INTO sessions (id, video_id, viewer_id, device_id, output_prefix, ttl_seconds, max_rung, expires_at)
       SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, unixepoch() + ?6 FROM videos WHERE id = ?2 AND state <> 'deleting'
       RETURNING expires_at AS expiresAt`,
    )
    .bind(
      session.id,
      session.videoId,
      session.viewerId,
      session.deviceId ?? null,
      session.outputPrefix,
      session.ttlSeconds,
      session.maxRung ?? null,
    )
    .first<{ expiresAt: number }>();
  return row?.expiresAt;
}

/** A session of one of the owner's videos. */
export async function sessionOf(
  db: D1Database,
  sessionId: string,
  ownerId: string,
): Promise<PlaySession | undefined> {
  const row = await db
    .prepare(
      `SELECT sessions.id, video_id AS videoId, sessions.output_prefix AS outputPrefix, ttl_seconds AS ttlSeconds,
              max_rung AS maxRung, revoked_at IS NOT NULL AS isRevoked,
              coalesce(presentation ->> '$.hasPoster', 0) AS hasPoster,
              coalesce(presentation ->> '$.hasStoryboard', 0) AS hasStoryboard,
              coalesce(presentation ->> '$.hasPreview', 0) AS hasPreview
       FROM sessions JOIN videos ON videos.id = sessions.video_id
       WHERE sessions.id = ? AND videos.owner_id = ? AND videos.state <> 'deleting'`,
    )
    .bind(sessionId, ownerId)
    .first<Omit<PlaySession, Flag> & Record<Flag, number>>();
  if (!row) return undefined;
  const { isRevoked, hasPoster, hasStoryboard, hasPreview } = row;
  return {
    ...row,
    isRevoked: isRevoked === 1,
    hasPoster: hasPoster === 1,
    hasStoryboard: hasStoryboard === 1,
    hasPreview: hasPreview === 1,
  };
}

/** @returns the new expiry, Unix seconds; undefined when the session was revoked meanwhile. */
export async function extendSession(db: D1Database, session: PlaySession): Promise<number | undefined> {
  const row = await db
    .prepare(
      `UPDATE sessions SET expires_at = unixepoch() + ttl_seconds
       WHERE id = ? AND revoked_at IS NULL
         AND EXISTS (SELECT 1 FROM videos WHERE id = sessions.video_id AND state <> 'deleting')
       RETURNING expires_at AS expiresAt`,
    )
    .bind(session.id)
    .first<{ expiresAt: number }>();
  return row?.expiresAt;
}

export async function revokeSession(db: D1Database, sessionId: string): Promise<void> {
  await db
    .prepare('UPDATE sessions SET revoked_at = unixepoch() WHERE id = ? AND revoked_at IS NULL')
    .bind(sessionId)
    .run();
}

/** Revoked sessions whose tokens are still in their time. */
export async function revokedSessions(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare('SELECT id FROM sessions WHERE revoked_at IS NOT NULL AND expires_at > unixepoch()')
    .all<{ id: string }>();
  return results.map((row) => row.id);
}
