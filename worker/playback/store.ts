// SQL of play sessions, and the one read of a video that playing needs.
import { Presentation } from '../../shared/messages.ts';
import type { VideoState } from '../../shared/states.ts';

export type PlayableVideo = {
  id: string;
  ownerId: string;
  state: VideoState;
  /** Why it failed, to a person. */
  errorDetail: string | null;
  outputPrefix?: string;
  presentation?: Presentation;
  manifestRevision: number;
};

export type PlaySession = {
  id: string;
  videoId: string;
  outputPrefix: string;
  ttlSeconds: number;
  /** Highest rung the session may see; null for all. */
  maxRung: number | null;
  isRevoked: boolean;
  /** False for a copy, and for a ladder as it grows: they have HLS and nothing else. */
  isFinished: boolean;
  hasPoster: boolean;
  hasStoryboard: boolean;
  hasPreview: boolean;
  hasChapters: boolean;
  /** Of the manifests it began with. */
  manifestRevision: number;
  /** Why what it plays was given up; null where it was not. */
  failure: string | null;
};

/** What SQLite answers as 0 or 1. */
type Flag = 'isRevoked' | 'isFinished' | 'hasPoster' | 'hasStoryboard' | 'hasPreview' | 'hasChapters';

type NewSession = {
  id: string;
  videoId: string;
  viewerId: string;
  deviceId: string | undefined;
  outputPrefix: string;
  ttlSeconds: number;
  maxRung: number | undefined;
  manifestRevision: number;
};

export async function videoOf(
  db: D1Database,
  videoId: string,
  ownerId: string,
): Promise<PlayableVideo | undefined> {
  const row = await db
    .prepare(
      `SELECT id, owner_id AS ownerId, state, error_detail AS errorDetail, output_prefix AS outputPrefix, presentation,
              manifest_revision AS manifestRevision
       FROM videos
       WHERE id = ? AND owner_id = ? AND state <> 'deleting'`,
    )
    .bind(videoId, ownerId)
    .first<
      Pick<PlayableVideo, 'id' | 'ownerId' | 'state' | 'errorDetail' | 'manifestRevision'> & {
        outputPrefix: string | null;
        presentation: string | null;
      }
    >();
  if (!row) return undefined;
  return {
    ...row,
    outputPrefix: row.outputPrefix ?? undefined,
    presentation: row.presentation === null ? undefined : Presentation.parse(JSON.parse(row.presentation)),
  };
}

/** @returns when the session expires, Unix seconds; undefined when the video was deleted meanwhile. */
export async function insertSession(db: D1Database, session: NewSession): Promise<number | undefined> {
  const row = await db
    .prepare(
      `INSERT INTO sessions (id, video_id, viewer_id, device_id, output_prefix, ttl_seconds, max_rung, manifest_revision, expires_at)
       SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch() + ?6 FROM videos WHERE id = ?2 AND state <> 'deleting'
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
      session.manifestRevision,
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
      `SELECT sessions.id, sessions.video_id AS videoId, sessions.output_prefix AS outputPrefix, ttl_seconds AS ttlSeconds,
              max_rung AS maxRung, revoked_at IS NOT NULL AS isRevoked,
              g.prefix IS NULL OR (g.kind = 'early' AND j.state = 'succeeded') AS isFinished,
              coalesce(presentation ->> '$.hasPoster', 0) AS hasPoster,
              coalesce(presentation ->> '$.hasStoryboard', 0) AS hasStoryboard,
              coalesce(presentation ->> '$.hasPreview', 0) AS hasPreview,
              coalesce(json_array_length(presentation, '$.chapters'), 0) > 0 AS hasChapters,
              sessions.manifest_revision AS manifestRevision,
              CASE WHEN g.closed_at IS NOT NULL THEN coalesce(j.error_detail, 'It was given up.') END AS failure
       FROM sessions JOIN videos ON videos.id = sessions.video_id
       LEFT JOIN growths g ON g.prefix = sessions.output_prefix LEFT JOIN jobs j ON j.id = g.job_id
       WHERE sessions.id = ? AND videos.owner_id = ? AND videos.state <> 'deleting'`,
    )
    .bind(sessionId, ownerId)
    .first<Omit<PlaySession, Flag> & Record<Flag, number>>();
  if (!row) return undefined;
  const isFinished = row.isFinished === 1;
  return {
    ...row,
    isRevoked: row.isRevoked === 1,
    isFinished,
    hasPoster: isFinished && row.hasPoster === 1,
    hasStoryboard: isFinished && row.hasStoryboard === 1,
    hasPreview: isFinished && row.hasPreview === 1,
    hasChapters: isFinished && row.hasChapters === 1,
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
