// SQL of uploads and their parts. Every statement of a request names the owner; every move is one
// compare-and-set.
import type { UploadMethod } from '../../shared/api.ts';
import { AppError, type ErrorCode, isErrorCode } from '../../shared/errors.ts';
import { UPLOAD_MAX_AGE_SECONDS, UPLOAD_TTL_SECONDS } from '../../shared/limits.ts';
import type { UploadState } from '../../shared/states.ts';
import type { Guard } from '../jobs/guard.ts';
import { eventStatement } from '../webhooks/events.ts';

export type UploadRow = {
  id: string;
  video_id: string;
  owner_id: string;
  method: UploadMethod;
  filename: string;
  size_bytes: number;
  part_bytes: number;
  part_count: number;
  sha256: string | null;
  state: UploadState;
  object_key: string;
  r2_upload_id: string | null;
  job_id: string | null;
  error_code: ErrorCode | null;
  error_detail: string | null;
  created_at: number;
  expires_at: number;
  /** tus alone: 1 while the length is to come; until then the size is what the quotas have granted. */
  is_length_deferred: 0 | 1;
  tus_metadata: string | null;
  traceparent: string | null;
  /** Told by D1's own clock, in the query that read the row. */
  is_expired: 0 | 1;
};

export type PartRow = {
  number: number;
  size_bytes: number;
  etag: string;
  /** What it was found to match as it came in. */
  checksum?: string | null;
};

/** What each sign of life adds to an upload's time. */
const PROLONGED = `expires_at = max(expires_at,
  min(unixepoch() + ${UPLOAD_TTL_SECONDS}, created_at + ${UPLOAD_MAX_AGE_SECONDS}))`;

const COLUMNS = '*, expires_at <= unixepoch() AS is_expired';

/** @throws AppError `not_found`, also for another owner's upload and for an import, which has no client. */
export async function uploadOf(db: D1Database, id: string, ownerId: string): Promise<UploadRow> {
  const row = await db
    .prepare(`SELECT ${COLUMNS} FROM uploads WHERE id = ? AND owner_id = ? AND method <> 'import'`)
    .bind(id, ownerId)
    .first<UploadRow>();
  if (!row) throw new AppError('not_found', { detail: 'There is no such upload.' });
  return row;
}

export async function partsOf(db: D1Database, uploadId: string): Promise<PartRow[]> {
  const { results } = await db
    .prepare('SELECT number, size_bytes, etag FROM upload_parts WHERE upload_id = ? ORDER BY number')
    .bind(uploadId)
    .all<PartRow>();
  return results;
}

/** Uploads whose time is over, oldest first. */
export function overdueUploads(db: D1Database, limit: number): Promise<UploadRow[]> {
  return rows(
    db,
    `state IN ('created', 'receiving') AND expires_at <= unixepoch() ORDER BY expires_at`,
    limit,
  );
}

/** Uploads between R2 and D1: a request is at it, or was. */
export function halfWayUploads(db: D1Database, limit: number): Promise<UploadRow[]> {
  return rows(db, `state = 'completing' ORDER BY expires_at`, limit);
}

/** Uploads that ended badly and whose bytes may still be in R2. */
export function uploadsWithLeftovers(db: D1Database, limit: number): Promise<UploadRow[]> {
  return rows(db, 'has_leftovers = 1', limit);
}

async function rows(db: D1Database, condition: string, limit: number): Promise<UploadRow[]> {
  const { results } = await db
    .prepare(`SELECT ${COLUMNS} FROM uploads WHERE ${condition} LIMIT ?`)
    .bind(limit)
    .all<UploadRow>();
  return results;
}

/** Nothing of an upload that ended badly is left in R2. */
export async function noteDiscarded(db: D1Database, upload: UploadRow): Promise<void> {
  await db
    .prepare('UPDATE uploads SET has_leftovers = 0 WHERE id = ? AND owner_id = ?')
    .bind(upload.id, upload.owner_id)
    .run();
}

/** Whether nothing will ever come of it. */
export function hasEndedBadly({ state }: UploadRow): boolean {
  return state === 'aborted' || state === 'expired' || state === 'rejected';
}

/** Whether it still takes bytes. */
export function isOpen({ state, is_expired }: UploadRow): boolean {
  return (state === 'created' || state === 'receiving') && !is_expired;
}

/** Refuses whatever no longer takes bytes, with the reason a client can act on. */
export function requireOpen(upload: UploadRow): void {
  if (upload.state === 'rejected') throw storedError(upload);
  if (upload.state === 'expired') throw new AppError('upload_expired');
  if (upload.state !== 'created' && upload.state !== 'receiving') {
    throw new AppError('upload_not_open', { detail: `The upload is ${upload.state}.` });
  }
  if (upload.is_expired) throw new AppError('upload_expired');
}

/** Why an upload was rejected, as it was told the first time. */
export function storedError(upload: UploadRow): AppError {
  const code = isErrorCode(upload.error_code) ? upload.error_code : 'upload_not_open';
  return new AppError(code, upload.error_detail ? { detail: upload.error_detail } : {});
}

/**
 * Remembers parts that R2 holds, and that the client is alive. Nothing is written once the upload has left its open
 * states.
 *
 * @param more a condition on top, and statements of the same batch
 * @returns false when the upload was no longer open, or the condition did not hold
 */
export async function recordParts(
  db: D1Database,
  upload: UploadRow,
  parts: PartRow[],
  more: { guard?: Guard; also?: D1PreparedStatement[] } = {},
): Promise<boolean> {
  const open = "state IN ('created', 'receiving')";
  const { guard = { sql: '1', params: [] }, also = [] } = more;
  const [insert] = await db.batch([
    db
      .prepare(
        `INSERT INTO upload_parts (upload_id, number, size_bytes, etag, checksum)
         SELECT u.id, p.value ->> 'number', p.value ->> 'size_bytes', p.value ->> 'etag', p.value ->> 'checksum'
         FROM uploads u, json_each(?) p WHERE u.id = ? AND u.owner_id = ? AND u.${open} AND ${guard.sql}
         ON CONFLICT (upload_id, number) DO UPDATE
           SET size_bytes = excluded.size_bytes, etag = excluded.etag, checksum = excluded.checksum`,
      )
      .bind(JSON.stringify(parts), upload.id, upload.owner_id, ...guard.params),
    db
      .prepare(
        `UPDATE uploads SET state = 'receiving', ${PROLONGED}
         WHERE id = ? AND owner_id = ? AND ${open} AND ${guard.sql}`,
      )
      .bind(upload.id, upload.owner_id, ...guard.params),
    ...also,
  ]);
  return insert!.meta.changes > 0;
}

/** Makes the ledger say what storage says. Nothing is written once the upload has left its open states. */
export async function replaceParts(db: D1Database, upload: UploadRow, parts: PartRow[]): Promise<void> {
  const numbers = JSON.stringify(parts.map(({ number }) => number));
  const dropOthers = db
    .prepare(
      `DELETE FROM upload_parts WHERE upload_id = ? AND number NOT IN (SELECT value FROM json_each(?))
         AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving'))`,
    )
    .bind(upload.id, numbers, upload.id, upload.owner_id);
  await recordParts(db, upload, parts, { also: [dropOthers] });
}

/**
 * From open to `completing`, unless a part is just being written or has gone since they were counted: the whole
 * would be another than what was judged.
 *
 * @returns false when another request has moved it, or is at its parts
 */
export async function beginCompletion(db: D1Database, upload: UploadRow): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `UPDATE uploads SET state = 'completing'
       WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving') AND NOT EXISTS
         (SELECT 1 FROM part_claims c WHERE c.upload_id = uploads.id AND c.lease_until > unixepoch())
         AND (SELECT sum(size_bytes) FROM upload_parts p WHERE p.upload_id = uploads.id) = size_bytes`,
    )
    .bind(upload.id, upload.owner_id)
    .run();
  return meta.changes === 1;
}

/** Whatever checksums its parts came with, each is stored again when it comes again. */
export async function forgetChecksums(db: D1Database, upload: UploadRow): Promise<void> {
  await db.prepare('UPDATE upload_parts SET checksum = NULL WHERE upload_id = ?').bind(upload.id).run();
}

/** What a sign of life that is no part does for an upload: it keeps it alive. @returns when it expires by now */
export async function prolong(db: D1Database, upload: UploadRow): Promise<number> {
  const row = await db
    .prepare(
      `UPDATE uploads SET ${PROLONGED}
       WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving') RETURNING expires_at`,
    )
    .bind(upload.id, upload.owner_id)
    .first<{ expires_at: number }>();
  return row?.expires_at ?? upload.expires_at;
}

/** One compare-and-set. False when the upload was in none of the `from` states. */
export async function moveUpload(
  db: D1Database,
  upload: UploadRow,
  from: UploadState[],
  to: UploadState,
): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `UPDATE uploads SET state = ? WHERE id = ? AND owner_id = ? AND state IN (SELECT value FROM json_each(?))`,
    )
    .bind(to, upload.id, upload.owner_id, JSON.stringify(from))
    .run();
  return meta.changes === 1;
}

/**
 * Ends an upload that will never become a source, and its video with it. Its bytes are left to be discarded.
 *
 * @returns false when it was in none of the `from` states.
 */
export async function failUpload(
  db: D1Database,
  upload: UploadRow,
  { from, to, error }: { from: UploadState[]; to: 'rejected' | 'expired'; error: AppError },
): Promise<boolean> {
  const [moved] = await db.batch([
    db
      .prepare(
        `UPDATE uploads SET state = ?, error_code = ?, error_detail = ?, has_leftovers = 1
         WHERE id = ? AND owner_id = ? AND state IN (SELECT value FROM json_each(?))`,
      )
      .bind(to, error.code, error.detail, upload.id, upload.owner_id, JSON.stringify(from)),
    db
      .prepare(
        `UPDATE videos SET state = 'failed', error_code = ?, error_detail = ?
         WHERE id = ? AND owner_id = ? AND state = 'uploading'
           AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state = ?)`,
      )
      .bind(error.code, error.detail, upload.video_id, upload.owner_id, upload.id, to),
    db
      .prepare(
        `DELETE FROM upload_parts WHERE upload_id = ?
           AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state = ?)`,
      )
      .bind(upload.id, upload.id, to),
    eventStatement(
      db,
      {
        type: 'video.failed',
        key: upload.id,
        about: { videoId: upload.video_id },
        data: { uploadId: upload.id, error: { code: error.code, detail: error.detail } },
      },
      {
        sql: `EXISTS (SELECT 1 FROM uploads u JOIN videos v ON v.id = u.video_id
                      WHERE u.id = ? AND u.state = ? AND v.state = 'failed')`,
        params: [upload.id, to],
      },
    ),
  ]);
  return moved!.meta.changes === 1;
}
