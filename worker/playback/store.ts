// SQL of play sessions, and the one read of a video that playing needs.
import { DAY_SECONDS } from '../../shared/limits.ts';
import { Presentation } from '../../shared/messages.ts';
import type { VideoState } from '../../shared/states.ts';
import { rememberDevice } from './device-store.ts';
import { hasRoom, IS_LIVE, roomForSession, type ViewerLimits } from './viewer-limits.ts';

/** Ended sessions are kept this long: what is still told about them finds what it is about. */
const SESSIONS_KEPT_SECONDS = 7 * DAY_SECONDS;
const MAX_PRUNED = 1000;

export type PlayableVideo = {
  id: string;
  ownerId: string;
  state: VideoState;
  /** Why it failed, to a person. */
  errorDetail: string | null;
  outputPrefix?: string;
  presentation?: Presentation;
  manifestRevision: number;
  contentId: string | null;
  /** Countries it may be watched in; empty for all. */
  regions: string[];
};

export type PlaySession = {
  id: string;
  videoId: string;
  ownerId: string;
  /** Empty for nobody in particular. */
  viewerId: string;
  deviceId: string | null;
  /** Where it was begun or renewed last. */
  country: string | null;
  contentId: string | null;
  regions: string[];
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
  hasProgressive: boolean;
  /** Of the manifests it began with. */
  manifestRevision: number;
  /** Why what it plays was given up; null where it was not. */
  failure: string | null;
};

/** What SQLite answers as 0 or 1. */
type Flag =
  | 'isRevoked'
  | 'isFinished'
  | 'hasPoster'
  | 'hasStoryboard'
  | 'hasPreview'
  | 'hasChapters'
  | 'hasProgressive';

type NewSession = {
  id: string;
  videoId: string;
  ownerId: string;
  viewerId: string;
  deviceId: string | undefined;
  country: string | undefined;
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
              manifest_revision AS manifestRevision, content_id AS contentId, regions
       FROM videos
       WHERE id = ? AND owner_id = ? AND state <> 'deleting'`,
    )
    .bind(videoId, ownerId)
    .first<
      Omit<PlayableVideo, 'outputPrefix' | 'presentation' | 'regions'> & {
        outputPrefix: string | null;
        presentation: string | null;
        regions: string;
      }
    >();
  if (!row) return undefined;
  return {
    ...row,
    regions: JSON.parse(row.regions),
    outputPrefix: row.outputPrefix ?? undefined,
    presentation: row.presentation === null ? undefined : Presentation.parse(JSON.parse(row.presentation)),
  };
}

/**
 * Begins a session, and remembers its device, where the viewer has room for both.
 *
 * @returns when it began, Unix seconds; undefined where there is no room, or the video was deleted meanwhile.
 */
export async function insertSession(
  db: D1Database,
  session: NewSession,
  limits: ViewerLimits,
  lifeSeconds: number,
): Promise<number | undefined> {
  const room = hasRoom(limits, session);
  const { id, videoId, ownerId, viewerId, deviceId } = session;
  const insert = db
    .prepare(
      `INSERT INTO sessions (id, owner_id, viewer_id, device_id, country, output_prefix, ttl_seconds, max_rung,
         manifest_revision, video_id, seen_at, expires_at)
       SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, id, unixepoch(), unixepoch() + ?
       FROM videos WHERE id = ? AND state <> 'deleting' AND ${room.sql}
       RETURNING seen_at AS begunAt`,
    )
    .bind(
      ...[id, ownerId, viewerId, deviceId ?? null, session.country ?? null],
      ...[session.outputPrefix, session.ttlSeconds, session.maxRung ?? null, session.manifestRevision],
      ...[lifeSeconds, videoId, ...room.params],
    );
  const isBegun = { sql: 'EXISTS (SELECT 1 FROM sessions WHERE id = ?)', params: [id] };
  const isKnown = deviceId !== undefined && viewerId !== '';
  const device = isKnown ? [rememberDevice(db, { ownerId, viewerId }, deviceId, isBegun)] : [];
  const [inserted] = await db.batch<{ begunAt: number }>([insert, ...device]);
  return inserted!.results[0]?.begunAt;
}

/** A session of one of the owner's videos. */
export async function sessionOf(
  db: D1Database,
  sessionId: string,
  ownerId: string,
): Promise<PlaySession | undefined> {
  const row = await db
    .prepare(
      `SELECT sessions.id, sessions.video_id AS videoId, videos.owner_id AS ownerId, viewer_id AS viewerId,
              device_id AS deviceId, country, content_id AS contentId, regions, sessions.output_prefix AS outputPrefix, ttl_seconds AS ttlSeconds,
              max_rung AS maxRung, revoked_at IS NOT NULL AS isRevoked,
              g.prefix IS NULL OR (g.kind = 'early' AND j.state = 'succeeded') AS isFinished,
              coalesce(presentation ->> '$.hasPoster', 0) AS hasPoster,
              coalesce(presentation ->> '$.hasStoryboard', 0) AS hasStoryboard,
              coalesce(presentation ->> '$.hasPreview', 0) AS hasPreview,
              coalesce(presentation ->> '$.hasProgressive', 0) AS hasProgressive,
              coalesce(json_array_length(presentation, '$.chapters'), 0) > 0 AS hasChapters,
              sessions.manifest_revision AS manifestRevision,
              CASE WHEN g.closed_at IS NOT NULL THEN coalesce(j.error_detail, 'It was given up.') END AS failure
       FROM sessions JOIN videos ON videos.id = sessions.video_id
       LEFT JOIN growths g ON g.prefix = sessions.output_prefix LEFT JOIN jobs j ON j.id = g.job_id
       WHERE sessions.id = ? AND videos.owner_id = ? AND videos.state <> 'deleting'`,
    )
    .bind(sessionId, ownerId)
    .first<Omit<PlaySession, Flag | 'regions'> & Record<Flag, number> & { regions: string }>();
  if (!row) return undefined;
  const isFinished = row.isFinished === 1;
  return {
    ...row,
    regions: JSON.parse(row.regions),
    isRevoked: row.isRevoked === 1,
    isFinished,
    hasPoster: isFinished && row.hasPoster === 1,
    hasStoryboard: isFinished && row.hasStoryboard === 1,
    hasPreview: isFinished && row.hasPreview === 1,
    hasChapters: isFinished && row.hasChapters === 1,
    hasProgressive: isFinished && row.hasProgressive === 1,
  };
}

/**
 * Gives a session more time. One that has not been heard of for long has lost its place among the viewer's and
 * needs room again.
 *
 * @returns when that was, Unix seconds; undefined when the session was revoked meanwhile, or has no room.
 */
export async function extendSession(
  db: D1Database,
  session: Pick<PlaySession, 'id' | 'ownerId' | 'viewerId' | 'deviceId'> & {
    country?: string | null | undefined;
  },
  limits: ViewerLimits,
  lifeSeconds: number,
): Promise<number | undefined> {
  const room = roomForSession(limits, session);
  const row = await db
    .prepare(
      // Never sooner than before: a token that was given for longer must be revocable to its end.
      `UPDATE sessions SET expires_at = max(expires_at, unixepoch() + ?), seen_at = unixepoch(), country = ?
       WHERE id = ? AND revoked_at IS NULL AND ((${IS_LIVE}) OR ${room.sql})
         AND EXISTS (SELECT 1 FROM videos WHERE id = sessions.video_id AND state <> 'deleting')
       RETURNING seen_at AS renewedAt`,
    )
    .bind(lifeSeconds, session.country ?? null, session.id, ...room.params)
    .first<{ renewedAt: number }>();
  return row?.renewedAt;
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
    .prepare(
      `SELECT id FROM sessions INDEXED BY sessions_revoked
       WHERE revoked_at IS NOT NULL AND expires_at > unixepoch()`,
    )
    .all<{ id: string }>();
  return results.map((row) => row.id);
}

/** What is over for long; a bounded amount per run. */
export async function pruneSessions(db: D1Database): Promise<void> {
  await db
    .prepare(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions INDEXED BY sessions_by_expiry
         WHERE expires_at <= unixepoch() - ${SESSIONS_KEPT_SECONDS} ORDER BY expires_at LIMIT ${MAX_PRUNED})`,
    )
    .run();
}
