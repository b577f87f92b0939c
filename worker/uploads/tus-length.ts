// The length of a tus upload, which may be told when the upload has long begun. Until then the row's size is
// what the quotas have granted so far.
import { AppError } from '../../shared/errors.ts';
import { uploadPartSizeBytes } from '../../shared/limits.ts';
import { hasRoom, type QuotaLimits, refuseOverQuota } from './quota.ts';
import { type UploadRow, uploadOf } from './store.ts';
import { TUS_MAX_BYTES, type TusChunk } from './tus-headers.ts';

/**
 * The length of the upload with what a request says about it; null while nobody knows.
 *
 * @throws AppError `invalid_request` when the request would change it
 */
export function lengthOf(upload: UploadRow, chunk?: TusChunk): number | null {
  const declared = chunk?.declaredLengthBytes;
  if (upload.is_length_deferred) return declared ?? null;
  // A client repeats itself when the first answer got lost: that is not a change.
  if (declared === undefined || declared === upload.size_bytes) return upload.size_bytes;
  throw new AppError('invalid_request', {
    detail: `The length of this upload is ${upload.size_bytes} bytes and cannot change.`,
  });
}

/**
 * Before bytes of an upload with a deferred length are taken: writes the length down if it is known now, and in
 * any case has the quotas grant what comes.
 *
 * @returns the row as it is afterwards
 * @throws AppError `quota_exceeded`, `daily_quota_exceeded`
 */
export async function growUpload(
  db: D1Database,
  limits: QuotaLimits,
  upload: UploadRow,
  chunk: TusChunk,
  hasParts: boolean,
): Promise<UploadRow> {
  if (!upload.is_length_deferred) return upload;
  const lengthBytes = lengthOf(upload, chunk);
  const bodyBytes = chunk.contentLengthBytes ?? chunk.bodyLimitBytes;
  const sizeBytes = lengthBytes ?? Math.min(chunk.offset + bodyBytes, TUS_MAX_BYTES);
  if (lengthBytes === null && sizeBytes <= upload.size_bytes) return upload;
  // Parts in R2 have fixed their size; before the first one the length decides, as it always does.
  const isReplanned = lengthBytes !== null && !hasParts;
  const partBytes = isReplanned ? uploadPartSizeBytes(lengthBytes) : upload.part_bytes;
  const partCount = lengthBytes === null ? 0 : Math.ceil(lengthBytes / partBytes);
  const wanted = { uploads: 0 as const, bytes: Math.max(0, sizeBytes - upload.size_bytes) };
  const room = hasRoom(limits, upload.owner_id, wanted);
  await db
    .prepare(
      `UPDATE uploads SET size_bytes = ?, part_bytes = ?, part_count = ?, is_length_deferred = ?
       WHERE id = ? AND owner_id = ? AND is_length_deferred = 1 AND size_bytes = ?
         AND state IN ('created', 'receiving') AND (${room.sql})`,
    )
    .bind(
      ...[sizeBytes, partBytes, partCount, lengthBytes === null ? 1 : 0],
      ...[upload.id, upload.owner_id, upload.size_bytes, ...room.params],
    )
    .run();
  const now = await uploadOf(db, upload.id, upload.owner_id);
  const isGranted = now.size_bytes === sizeBytes && (lengthBytes === null || !now.is_length_deferred);
  if (isGranted || (now.state !== 'created' && now.state !== 'receiving')) return now;
  await refuseOverQuota(db, limits, upload.owner_id, wanted);
  throw new AppError('quota_exceeded', { detail: 'Other uploads have just taken the room; try again.' });
}
