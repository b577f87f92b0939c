// What one viewer may have at once: devices, and sessions that play. Both are held by the statement that begins or
// renews a session, and D1 runs one statement at a time: of eight plays at once those that fit succeed.
import { AppError } from '../../shared/errors.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { Config } from '../env.ts';
import type { Guard } from '../jobs/guard.ts';
import { type DeviceRow, devicesOf, renderDevice } from './device-store.ts';

/** 0 stands for no limit. */
export type ViewerLimits = Pick<Config, 'MAX_DEVICES_PER_VIEWER' | 'MAX_CONCURRENT_SESSIONS'>;

type Place = { ownerId: string; viewerId: string; deviceId: string | null | undefined };

/** A session that was begun, renewed or heard of this lately plays; players renew or report more often. */
const LIVE_SECONDS = 90;
export const IS_LIVE = `revoked_at IS NULL AND expires_at > unixepoch() AND seen_at > unixepoch() - ${LIVE_SECONDS}`;

const NO_LIMITS: ViewerLimits = { MAX_DEVICES_PER_VIEWER: 0, MAX_CONCURRENT_SESSIONS: 0 };

/** Nobody in particular has no limits: nobody would know whose they are. */
export function limitsOf(config: ViewerLimits, viewerId: string): ViewerLimits {
  return viewerId === '' ? NO_LIMITS : config;
}

/** @throws AppError `device_required` where devices are counted and none is named */
export function requireDevice({ MAX_DEVICES_PER_VIEWER }: ViewerLimits, deviceId: string | undefined): void {
  if (MAX_DEVICES_PER_VIEWER > 0 && deviceId === undefined) {
    throw new AppError('device_required', {
      detail: 'Devices are limited here: send deviceId with the play.',
    });
  }
}

/** True while one more session of the viewer has room. Belongs into the statement that takes the room. */
export function hasRoom(limits: ViewerLimits, place: Place): Guard {
  const guards = [roomForSession(limits, place), roomForDevice(limits, place)];
  return {
    sql: guards.map(({ sql }) => `(${sql})`).join(' AND '),
    params: guards.flatMap(({ params }) => params),
  };
}

export function roomForSession({ MAX_CONCURRENT_SESSIONS }: ViewerLimits, place: Place): Guard {
  if (MAX_CONCURRENT_SESSIONS === 0) return { sql: '1', params: [] };
  return {
    sql: `(SELECT count(*) FROM sessions WHERE owner_id = ? AND viewer_id = ? AND ${IS_LIVE}) < ?`,
    params: [place.ownerId, place.viewerId, MAX_CONCURRENT_SESSIONS],
  };
}

function roomForDevice({ MAX_DEVICES_PER_VIEWER }: ViewerLimits, place: Place): Guard {
  if (MAX_DEVICES_PER_VIEWER === 0) return { sql: '1', params: [] };
  const { ownerId, viewerId, deviceId } = place;
  return {
    sql: `EXISTS (SELECT 1 FROM viewer_devices WHERE owner_id = ? AND viewer_id = ? AND device_id = ?)
      OR (SELECT count(*) FROM viewer_devices WHERE owner_id = ? AND viewer_id = ?) < ?`,
    params: [ownerId, viewerId, deviceId ?? null, ownerId, viewerId, MAX_DEVICES_PER_VIEWER],
  };
}

/**
 * Says which limit is in the way, and what can be ended to make room. Only the guard decides.
 *
 * @throws AppError `device_limit_reached` or `concurrent_sessions_exceeded`
 */
export async function refuseWithoutRoom(db: D1Database, limits: ViewerLimits, place: Place): Promise<void> {
  const { MAX_DEVICES_PER_VIEWER, MAX_CONCURRENT_SESSIONS } = limits;
  if (MAX_DEVICES_PER_VIEWER > 0) refuseDevice(await devicesOf(db, place), MAX_DEVICES_PER_VIEWER, place);
  if (MAX_CONCURRENT_SESSIONS > 0) await refuseSession(db, MAX_CONCURRENT_SESSIONS, place);
}

function refuseDevice(devices: DeviceRow[], limit: number, { viewerId, deviceId }: Place): void {
  if (devices.length < limit || devices.some((device) => device.deviceId === deviceId)) return;
  const path = `/v1/viewers/${encodeURIComponent(viewerId)}/devices`;
  throw new AppError('device_limit_reached', {
    detail: `A viewer may have ${limit} devices. Remove one of them to make room: DELETE ${path}/{deviceId}.`,
    extra: { limit, devices: devices.map(renderDevice) },
  });
}

async function refuseSession(db: D1Database, limit: number, { ownerId, viewerId }: Place): Promise<void> {
  const { results } = await db
    .prepare(
      `SELECT id AS sessionId, video_id AS videoId, device_id AS deviceId, created_at AS startedAt, seen_at AS lastSeenAt,
         seen_at + ${LIVE_SECONDS} - unixepoch() AS secondsLeft
       FROM sessions WHERE owner_id = ? AND viewer_id = ? AND ${IS_LIVE} ORDER BY seen_at`,
    )
    .bind(ownerId, viewerId)
    .all<LiveSession>();
  if (results.length < limit) return;
  throw new AppError('concurrent_sessions_exceeded', {
    detail: `${results.length} sessions of this viewer play, ${limit} may. End one of them: DELETE /v1/sessions/{sessionId}.`,
    retryAfterSeconds: Math.max(1, results[0]!.secondsLeft),
    extra: { limit, sessions: results.map(renderSession) },
  });
}

type LiveSession = {
  sessionId: string;
  videoId: string;
  deviceId: string | null;
  startedAt: number;
  lastSeenAt: number;
  secondsLeft: number;
};

function renderSession({ sessionId, videoId, deviceId, startedAt, lastSeenAt }: LiveSession) {
  return {
    ...{ sessionId, videoId },
    ...(deviceId === null ? {} : { deviceId }),
    startedAt: rfc3339(startedAt),
    lastSeenAt: rfc3339(lastSeenAt),
  };
}
