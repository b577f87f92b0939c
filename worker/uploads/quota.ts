// What one owner may hold: open uploads, bytes a UTC day, bytes stored. Usage is the sum of the upload rows
// themselves, so an upload that ends gives back what it reserved by ending, whoever ends it. Creation is guarded
// inside its own batch, and D1 runs one batch at a time: of a hundred creations at once those that fit succeed.
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { Config } from '../env.ts';
import type { Guard } from '../jobs/guard.ts';

/** 0 stands for no limit. */
export type QuotaLimits = Pick<Config, 'MAX_OPEN_UPLOADS' | 'MAX_BYTES_PER_DAY' | 'MAX_STORAGE_BYTES'>;

/** What is asked for on top of what the owner has; `uploads` is 0 where an open upload only grows. */
export type Wanted = { uploads: 0 | 1; bytes: number };

export type Usage = { openUploads: number; bytesToday: number; storageBytes: number };

const OPEN = `('created', 'receiving', 'completing')`;
/** Bytes that are here or promised room. */
const HELD = `('created', 'receiving', 'completing', 'accepted')`;

// Each takes the owner's id as its parameters.
const OPEN_UPLOADS = `(SELECT count(*) FROM uploads WHERE owner_id = ? AND state IN ${OPEN})`;
const STORAGE_BYTES = `(SELECT coalesce(sum(size_bytes), 0) FROM uploads WHERE owner_id = ? AND state IN ${HELD}
    AND video_id NOT IN (SELECT id FROM videos WHERE state = 'deleting'))`;
const BYTES_TODAY = `((SELECT coalesce(sum(size_bytes), 0) FROM uploads WHERE owner_id = ? AND state IN ${HELD}
      AND created_at >= unixepoch() / ${DAY_SECONDS} * ${DAY_SECONDS})
  + coalesce((SELECT bytes FROM upload_days WHERE owner_id = ? AND day = unixepoch() / ${DAY_SECONDS}), 0))`;

/** True while the owner has room for it. Belongs into the statement that takes the room. */
export function hasRoom(limits: QuotaLimits, ownerId: string, wanted: Wanted): Guard {
  const { MAX_OPEN_UPLOADS, MAX_BYTES_PER_DAY, MAX_STORAGE_BYTES } = limits;
  const conditions: Guard[] = [];
  if (MAX_OPEN_UPLOADS > 0 && wanted.uploads > 0) {
    conditions.push({
      sql: `${OPEN_UPLOADS} + ? <= ?`,
      params: [ownerId, wanted.uploads, MAX_OPEN_UPLOADS],
    });
  }
  if (MAX_BYTES_PER_DAY > 0) {
    const params = [ownerId, ownerId, wanted.bytes, MAX_BYTES_PER_DAY];
    conditions.push({ sql: `${BYTES_TODAY} + ? <= ?`, params });
  }
  if (MAX_STORAGE_BYTES > 0) {
    conditions.push({ sql: `${STORAGE_BYTES} + ? <= ?`, params: [ownerId, wanted.bytes, MAX_STORAGE_BYTES] });
  }
  return {
    sql: conditions.length === 0 ? '1' : conditions.map(({ sql }) => `(${sql})`).join(' AND '),
    params: conditions.flatMap(({ params }) => params),
  };
}

export function usageOf(db: D1Database, ownerId: string): Promise<Usage> {
  return measure(db, ownerId, { MAX_OPEN_UPLOADS: 1, MAX_BYTES_PER_DAY: 1, MAX_STORAGE_BYTES: 1 });
}

/** What has no limit is not counted: of a large library the storage is a sum over a hundred thousand rows. */
async function measure(db: D1Database, ownerId: string, limits: QuotaLimits): Promise<Usage> {
  const sums = [
    { name: 'openUploads', limit: limits.MAX_OPEN_UPLOADS, sql: OPEN_UPLOADS, params: [ownerId] },
    { name: 'bytesToday', limit: limits.MAX_BYTES_PER_DAY, sql: BYTES_TODAY, params: [ownerId, ownerId] },
    { name: 'storageBytes', limit: limits.MAX_STORAGE_BYTES, sql: STORAGE_BYTES, params: [ownerId] },
  ].filter(({ limit }) => limit > 0);
  const usage: Usage = { openUploads: 0, bytesToday: 0, storageBytes: 0 };
  if (sums.length === 0) return usage;
  const row = await db
    .prepare(`SELECT ${sums.map(({ sql, name }) => `${sql} AS ${name}`).join(', ')}`)
    .bind(...sums.flatMap(({ params }) => params))
    .first<Partial<Usage>>();
  return { ...usage, ...row };
}

/**
 * Says which quota is in the way, for a client to read and to save the work of a creation that cannot succeed.
 * Only the guard decides: another creation may come in between.
 *
 * @throws AppError `quota_exceeded`, or `daily_quota_exceeded` with the time until midnight UTC.
 */
export async function refuseOverQuota(
  db: D1Database,
  limits: QuotaLimits,
  ownerId: string,
  wanted: Wanted,
): Promise<void> {
  const { MAX_OPEN_UPLOADS, MAX_BYTES_PER_DAY, MAX_STORAGE_BYTES } = limits;
  const usage = await measure(db, ownerId, limits);
  if (isOver(MAX_OPEN_UPLOADS, usage.openUploads, wanted.uploads)) {
    throw new AppError('quota_exceeded', {
      detail: `${usage.openUploads} uploads are open, ${MAX_OPEN_UPLOADS} may be; complete or abort one.`,
      extra: { quota: 'openUploads', limit: MAX_OPEN_UPLOADS, used: usage.openUploads },
    });
  }
  if (isOver(MAX_STORAGE_BYTES, usage.storageBytes, wanted.bytes)) {
    throw new AppError('quota_exceeded', {
      detail: `The file has ${wanted.bytes} bytes; ${room(MAX_STORAGE_BYTES, usage.storageBytes)} bytes of storage are left.`,
      extra: { quota: 'storageBytes', limit: MAX_STORAGE_BYTES, used: usage.storageBytes },
    });
  }
  if (isOver(MAX_BYTES_PER_DAY, usage.bytesToday, wanted.bytes)) {
    throw new AppError('daily_quota_exceeded', {
      detail: `The file has ${wanted.bytes} bytes; ${room(MAX_BYTES_PER_DAY, usage.bytesToday)} bytes are left until midnight UTC.`,
      retryAfterSeconds: DAY_SECONDS - (Math.floor(Date.now() / 1000) % DAY_SECONDS),
      extra: { quota: 'bytesPerDay', limit: MAX_BYTES_PER_DAY, used: usage.bytesToday },
    });
  }
}

/** What deleted videos brought in on days that are over counts for nothing. */
export async function pruneUploadDays(db: D1Database): Promise<void> {
  await db.prepare(`DELETE FROM upload_days WHERE day < unixepoch() / ${DAY_SECONDS}`).run();
}

function isOver(limit: number, used: number, wanted: number): boolean {
  return limit > 0 && wanted > 0 && used + wanted > limit;
}

function room(limit: number, used: number): number {
  return Math.max(0, limit - used);
}
