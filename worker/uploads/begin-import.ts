// A transcoder is about to read a file from its first byte: the quota is asked for its size, and it gets a
// multipart upload of its own. What was stored of it before is given up.

import { AppError } from '../../shared/errors.ts';
import { uploadPartSizeBytes } from '../../shared/limits.ts';
import type { ImportBegin, ImportTarget } from '../../shared/messages.ts';
import type { Config, Env } from '../env.ts';
import { type HeldTask, newToken, taskGuard } from '../jobs/guard.ts';
import { abortMultipart } from '../r2.ts';
import { openMultipart } from './create.ts';
import { importTooLarge } from './create-import.ts';
import { heldImport } from './import-store.ts';
import { hasRoom, refuseOverQuota } from './quota.ts';
import type { UploadRow } from './store.ts';

/** @throws AppError lease_lost, `upload_not_open`, `import_too_large`, `quota_exceeded`, `daily_quota_exceeded`. */
export async function beginImport(
  env: Env,
  config: Config,
  held: HeldTask,
  file: ImportBegin,
): Promise<ImportTarget> {
  const { upload } = await heldImport(env.DB, held);
  if ((file.sizeBytes ?? 0) > config.IMPORT_MAX_BYTES) throw importTooLarge(config);
  const growth = { uploads: 0, bytes: (file.sizeBytes ?? 0) - upload.size_bytes } as const;
  if (growth.bytes > 0) await refuseOverQuota(env.DB, config, upload.owner_id, growth);

  // Before the new one has a row: a crash in between leaves parts to nobody.
  if (upload.r2_upload_id) await abortMultipart(env.MEDIA, upload.object_key, upload.r2_upload_id);
  const r2UploadId = await openMultipart(env.MEDIA, upload.object_key, upload.id);
  // Of a size nobody knows the parts must be large enough for the largest import.
  const partSizeBytes = uploadPartSizeBytes(file.sizeBytes ?? config.IMPORT_MAX_BYTES);
  const target = { r2UploadId, partSizeBytes };
  if (await record(env.DB, config, held, upload, file, target)) return target;
  await abortMultipart(env.MEDIA, upload.object_key, r2UploadId);
  await heldImport(env.DB, held);
  await refuseOverQuota(env.DB, config, upload.owner_id, growth);
  throw new AppError('quota_exceeded', { detail: 'Other uploads have just taken the room.' });
}

async function record(
  db: D1Database,
  config: Config,
  held: HeldTask,
  upload: UploadRow,
  file: ImportBegin,
  target: ImportTarget,
): Promise<boolean> {
  const { r2UploadId, partSizeBytes } = target;
  const sizeBytes = file.sizeBytes ?? 0;
  const growth = { uploads: 0, bytes: sizeBytes - upload.size_bytes } as const;
  const room = growth.bytes > 0 ? hasRoom(config, upload.owner_id, growth) : { sql: '1', params: [] };
  const token = newToken();
  const isBegun = taskGuard(held, token);
  const [begun] = await db.batch([
    db
      .prepare(
        `UPDATE tasks SET mark = 0, mark_at_claim = 0, token = ?
         WHERE job_id = ? AND name = ? AND kind = 'import' AND epoch = ? AND state = 'running'
           AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state = 'receiving') AND ${room.sql}`,
      )
      .bind(token, held.jobId, held.task, held.epoch, upload.id, ...room.params),
    db
      .prepare(
        `UPDATE uploads SET r2_upload_id = ?, size_bytes = ?, part_bytes = ?, part_count = ?
         WHERE id = ? AND ${isBegun.sql}`,
      )
      .bind(
        ...[r2UploadId, sizeBytes, partSizeBytes, Math.ceil(sizeBytes / partSizeBytes)],
        ...[upload.id, ...isBegun.params],
      ),
    db
      .prepare(`UPDATE imports SET validator = ? WHERE job_id = ? AND ${isBegun.sql}`)
      .bind(file.validator ?? null, held.jobId, ...isBegun.params),
    db
      .prepare(`DELETE FROM upload_parts WHERE upload_id = ? AND ${isBegun.sql}`)
      .bind(upload.id, ...isBegun.params),
  ]);
  return begun!.meta.changes === 1;
}
