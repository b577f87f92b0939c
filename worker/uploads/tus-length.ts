// The length of a tus upload, which may be told when the upload has long begun.
import { AppError } from '../../shared/errors.ts';
import type { UploadRow } from './store.ts';
import type { TusChunk } from './tus-headers.ts';

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

/** Writes the length down. Nothing happens when somebody has done so already. */
export async function declareLength(
  db: D1Database,
  upload: UploadRow,
  lengthBytes: number,
  partBytes: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE uploads SET size_bytes = ?, part_bytes = ?, part_count = ?, is_length_deferred = 0
       WHERE id = ? AND owner_id = ? AND is_length_deferred = 1 AND state IN ('created', 'receiving')`,
    )
    .bind(...[lengthBytes, partBytes, Math.ceil(lengthBytes / partBytes), upload.id, upload.owner_id])
    .run();
}
