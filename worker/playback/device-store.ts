// SQL of the devices a viewer has played on.
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { ViewerDevice } from '../../shared/play-api.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { Guard } from '../jobs/guard.ts';

/** A device nothing was begun on for this long is forgotten, and its slot is free. */
const DEVICE_KEPT_SECONDS = 180 * DAY_SECONDS;
const MAX_PRUNED = 500;
const MAX_LISTED = 500;

export type DeviceRow = { deviceId: string; createdAt: number; seenAt: number };

type ViewerKey = { ownerId: string; viewerId: string };

/** For the batch that begins a session: the device is known from then on. */
export function rememberDevice(
  db: D1Database,
  { ownerId, viewerId }: ViewerKey,
  deviceId: string,
  guard: Guard,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO viewer_devices (owner_id, viewer_id, device_id) SELECT ?, ?, ? WHERE ${guard.sql}
       ON CONFLICT (owner_id, viewer_id, device_id) DO UPDATE SET seen_at = unixepoch()`,
    )
    .bind(ownerId, viewerId, deviceId, ...guard.params);
}

/** The one used last comes first. */
export async function devicesOf(db: D1Database, { ownerId, viewerId }: ViewerKey): Promise<DeviceRow[]> {
  const { results } = await db
    .prepare(
      `SELECT device_id AS deviceId, created_at AS createdAt, seen_at AS seenAt FROM viewer_devices
       WHERE owner_id = ? AND viewer_id = ? ORDER BY seen_at DESC, device_id LIMIT ${MAX_LISTED}`,
    )
    .bind(ownerId, viewerId)
    .all<DeviceRow>();
  return results;
}

/**
 * Forgets one device and revokes what plays on it; without `deviceId` all devices, and every session of the viewer.
 *
 * @returns how many devices are gone, and the ids of the revoked sessions
 */
export async function removeDevices(
  db: D1Database,
  { ownerId, viewerId }: ViewerKey,
  deviceId?: string,
): Promise<{ removed: number; revokedIds: string[] }> {
  const params = [ownerId, viewerId, ...(deviceId === undefined ? [] : [deviceId])];
  const ofDevice = deviceId === undefined ? '' : 'AND device_id = ?';
  const [revoked, removed] = await db.batch<{ id: string }>([
    // Those past their time, too: renewing would bring them back.
    db
      .prepare(
        `UPDATE sessions SET revoked_at = unixepoch()
         WHERE owner_id = ? AND viewer_id = ? AND revoked_at IS NULL ${ofDevice} RETURNING id`,
      )
      .bind(...params),
    db.prepare(`DELETE FROM viewer_devices WHERE owner_id = ? AND viewer_id = ? ${ofDevice}`).bind(...params),
  ]);
  return { removed: removed!.meta.changes, revokedIds: revoked!.results.map(({ id }) => id) };
}

export async function pruneDevices(db: D1Database): Promise<void> {
  await db
    .prepare(
      `DELETE FROM viewer_devices WHERE (owner_id, viewer_id, device_id) IN (
         SELECT owner_id, viewer_id, device_id FROM viewer_devices
         WHERE seen_at <= unixepoch() - ${DEVICE_KEPT_SECONDS} ORDER BY seen_at LIMIT ${MAX_PRUNED})`,
    )
    .run();
}

export function renderDevice({ deviceId, createdAt, seenAt }: DeviceRow): ViewerDevice {
  return {
    deviceId,
    firstSeenAt: rfc3339(createdAt),
    lastSeenAt: rfc3339(seenAt),
  };
}
