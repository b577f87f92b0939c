// SQL of what is watched. A batch of the queue is two reads and a handful of statements over JSON, however many
// sessions it is about; all of it is written, or none.
import type { QoeState, QoeSums } from '../../shared/cmcd-estimate.ts';
import type { WatchDelta, WatchSession } from '../../shared/watch-session.ts';
import type { Caller } from '../http/context.ts';

export type KnownSession = {
  id: string;
  ownerId: string;
  viewerId: string;
  videoId: string;
  country: string | null;
  begunAt: number;
  durationSeconds: number;
  /** 0 where nothing is stored yet. */
  watchVersion: number;
  watched: WatchSession | undefined;
  qoeVersion: number;
  qoe: StoredQoe | undefined;
};

export type StoredQoe = {
  hour: number;
  /** The first ones known: where the session counts. */
  rung: string;
  app: string;
  startupMs: number | null;
  isMeasured: boolean;
  hasFailed: boolean;
  state: QoeState | null;
};

export async function ownsSession(db: D1Database, sessionId: string, caller: Caller): Promise<boolean> {
  const row = await db
    .prepare('SELECT video_id AS videoId, viewer_id AS viewerId FROM sessions WHERE id = ? AND owner_id = ?')
    .bind(sessionId, caller.ownerId)
    .first<{ videoId: string; viewerId: string }>();
  if (!row || (caller.onlyVideoId !== undefined && caller.onlyVideoId !== row.videoId)) return false;
  const { via, role, subject, ownerId } = caller;
  if (via === 'api-key') return true;
  if (via === 'watch-link') return row.viewerId === '';
  return role === 'admin' || subject === row.viewerId || (role === 'uploader' && subject === ownerId);
}

type SessionRow = Record<string, string | number | null>;

/** Sessions of videos that are there, with all that is stored of them. */
export async function knownSessions(db: D1Database, ids: readonly string[]): Promise<KnownSession[]> {
  const { results } = await db
    .prepare(
      `SELECT s.id, v.owner_id AS ownerId, s.viewer_id AS viewerId, s.video_id AS videoId, s.country,
         s.created_at AS begunAt, coalesce(v.presentation ->> '$.durationSeconds', 0) AS durationSeconds,
         w.version AS watchVersion, w.last_seq, w.base_seq, w.seen_bits, w.events, w.watched_seconds,
         w.max_position_seconds, w.covered, w.fraction, w.is_view, w.is_completed,
         q.version AS qoeVersion, q.hour, q.rung, q.app AS qoeApp, q.startup_ms, q.is_measured, q.has_failed, q.state
       FROM json_each(?) i JOIN sessions s ON s.id = i.value JOIN videos v ON v.id = s.video_id
       LEFT JOIN watch_sessions w ON w.session_id = s.id LEFT JOIN qoe_sessions q ON q.session_id = s.id
       WHERE v.state <> 'deleting'`,
    )
    .bind(JSON.stringify(ids))
    .all<SessionRow>();
  return results.map(knownSession);
}

function knownSession(row: SessionRow): KnownSession {
  const { id, ownerId, viewerId, videoId, country, begunAt, durationSeconds } = row as never as KnownSession;
  return {
    ...{ id, ownerId, viewerId, videoId, country, begunAt, durationSeconds },
    watchVersion: Number(row.watchVersion ?? 0),
    watched:
      row.watchVersion === null
        ? undefined
        : {
            lastSeq: Number(row.last_seq),
            baseSeq: Number(row.base_seq),
            seenBits: String(row.seen_bits),
            events: Number(row.events),
            watchedSeconds: Number(row.watched_seconds),
            maxPositionSeconds: Number(row.max_position_seconds),
            covered: String(row.covered),
            fraction: Number(row.fraction),
            isView: row.is_view === 1,
            isCompleted: row.is_completed === 1,
          },
    qoeVersion: Number(row.qoeVersion ?? 0),
    qoe:
      row.qoeVersion === null
        ? undefined
        : {
            hour: Number(row.hour),
            rung: String(row.rung),
            app: String(row.qoeApp),
            startupMs: row.startup_ms as number | null,
            isMeasured: row.is_measured === 1,
            hasFailed: row.has_failed === 1,
            state: JSON.parse(String(row.state)) as QoeState | null,
          },
  };
}

export type WatchWrite = { session: KnownSession; watched: WatchSession; app: string };
export type DayWrite = WatchDelta & { videoId: string; ownerId: string; day: number; sessions: number };
export type QoeWrite = { session: KnownSession; qoe: StoredQoe };
export type HourKey = {
  hour: number;
  ownerId: string;
  videoId: string;
  rung: string;
  country: string;
  app: string;
};
export type HourWrite = HourKey & { sessions: number; failed: number; startups: number[]; sums: QoeSums };

/** Ends the transaction it stands in where the row was written by another since it was read. */
const NEXT_VERSION = (table: string) =>
  `version = CASE WHEN ${table}.version = excluded.version - 1 THEN excluded.version END`;

/** Element by element; both are JSON arrays of one length. */
const SUM_OF_ARRAYS = (table: string, column: string) =>
  `${column} = (SELECT json_group_array(a.value + json_extract(excluded.${column}, '$[' || a.key || ']'))
     FROM json_each(${table}.${column}) a)`;

const ADDED = (table: string, columns: string[]) =>
  columns.map((column) => `${column} = ${table}.${column} + excluded.${column}`).join(', ');

export function watchStatement(db: D1Database, writes: readonly WatchWrite[]): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO watch_sessions (session_id, owner_id, viewer_id, video_id, begun_at, heard_at, version, last_seq,
         base_seq, seen_bits, events, duration_seconds, watched_seconds, max_position_seconds, covered, fraction,
         is_view, is_completed, country, app)
       SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unixepoch(), value ->> 5, value ->> 6,
         value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
         value ->> 15, value ->> 16, value ->> 17, value ->> 18
       FROM json_each(?) WHERE true
       ON CONFLICT (session_id) DO UPDATE SET ${NEXT_VERSION('watch_sessions')}, heard_at = excluded.heard_at,
         last_seq = excluded.last_seq, base_seq = excluded.base_seq, seen_bits = excluded.seen_bits,
         events = excluded.events, duration_seconds = excluded.duration_seconds,
         watched_seconds = excluded.watched_seconds, max_position_seconds = excluded.max_position_seconds,
         covered = excluded.covered, fraction = excluded.fraction, is_view = excluded.is_view,
         is_completed = excluded.is_completed, app = excluded.app`,
    )
    .bind(
      JSON.stringify(
        writes.map(({ session: s, watched: w, app }) => [
          ...[s.id, s.ownerId, s.viewerId, s.videoId, s.begunAt, s.watchVersion + 1, w.lastSeq, w.baseSeq],
          ...[w.seenBits, w.events, s.durationSeconds, w.watchedSeconds, w.maxPositionSeconds, w.covered],
          ...[w.fraction, Number(w.isView), Number(w.isCompleted), s.country, app],
        ]),
      ),
    );
}

const DAY_SUMS = ['sessions', 'views', 'completions', 'events', 'watched_seconds', 'fractions'];

export function dayStatement(db: D1Database, writes: readonly DayWrite[]): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO watch_days (video_id, day, owner_id, ${DAY_SUMS.join(', ')}, reached, played)
       SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9, value ->> 10
       FROM json_each(?) WHERE true
       ON CONFLICT (video_id, day) DO UPDATE SET ${ADDED('watch_days', DAY_SUMS)},
         ${SUM_OF_ARRAYS('watch_days', 'reached')}, ${SUM_OF_ARRAYS('watch_days', 'played')}`,
    )
    .bind(
      JSON.stringify(
        writes.map((w) => [
          ...[w.videoId, w.day, w.ownerId, w.sessions, w.views, w.completions, w.events, w.watchedSeconds],
          ...[w.fractions, w.reached, w.played],
        ]),
      ),
    );
}

export function qoeStatement(db: D1Database, writes: readonly QoeWrite[]): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO qoe_sessions (session_id, heard_at, version, hour, rung, app, startup_ms, is_measured, has_failed,
         state)
       SELECT value ->> 0, unixepoch(), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
         value ->> 7, value ->> 8
       FROM json_each(?) WHERE true
       ON CONFLICT (session_id) DO UPDATE SET ${NEXT_VERSION('qoe_sessions')}, heard_at = excluded.heard_at,
         rung = excluded.rung, app = excluded.app, startup_ms = excluded.startup_ms, is_measured = excluded.is_measured,
         has_failed = excluded.has_failed, state = excluded.state`,
    )
    .bind(
      JSON.stringify(
        writes.map(({ session, qoe: q }) => [
          ...[session.id, session.qoeVersion + 1, q.hour, q.rung, q.app, q.startupMs],
          ...[Number(q.isMeasured), Number(q.hasFailed), JSON.stringify(q.state)],
        ]),
      ),
    );
}

const HOUR_SUMS = [
  ...['sessions', 'failed_sessions', 'requests', 'play_ms', 'stall_ms', 'stalls', 'switches'],
  ...['bitrate_kbps', 'bitrates', 'throughput_kbps', 'throughputs', 'buffer_ms', 'buffers'],
];

export function hourStatement(db: D1Database, writes: readonly HourWrite[]): D1PreparedStatement {
  const values = HOUR_SUMS.map((_, index) => `value ->> ${index + 7}`).join(', ');
  return db
    .prepare(
      `INSERT INTO qoe_hours (hour, owner_id, video_id, rung, country, app, startups, ${HOUR_SUMS.join(', ')})
       SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ${values}
       FROM json_each(?) WHERE true
       ON CONFLICT (hour, owner_id, video_id, rung, country, app) DO UPDATE SET
         ${ADDED('qoe_hours', HOUR_SUMS)}, ${SUM_OF_ARRAYS('qoe_hours', 'startups')}`,
    )
    .bind(
      JSON.stringify(
        writes.map(({ sums: s, ...w }) => [
          ...[w.hour, w.ownerId, w.videoId, w.rung, w.country, w.app, w.startups, w.sessions, w.failed],
          ...[s.requests, s.playMs, s.stallMs, s.stalls, s.switches, s.bitrateKbps, s.bitrates],
          ...[s.throughputKbps, s.throughputs, s.bufferMs, s.buffers].map(Math.round),
        ]),
      ),
    );
}

/** Of what never becomes part of a sum. */
export function lossStatement(db: D1Database, losses: Record<string, number>): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO watch_losses (reason, count) SELECT key, value FROM json_each(?) WHERE value > 0
       ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count`,
    )
    .bind(JSON.stringify(losses));
}
