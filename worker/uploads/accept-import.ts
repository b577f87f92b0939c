// The end of an import: its parts become one object, the object is judged like that of any upload, and the job
// goes on with it as its source. Every step may be repeated.
import { AppError } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Config, Env } from '../env.ts';
import { meter } from '../http/meter.ts';
import { endAttempt } from '../jobs/attempt.ts';
import { type HeldTask, newToken, taskGuard } from '../jobs/guard.ts';
import { currentOf } from '../jobs/ledger.ts';
import { ticketStatement } from '../jobs/outbox.ts';
import { headObject, r2FailureOf, storageUnavailable, withR2Retries } from '../r2.ts';
import { eventStatement } from '../webhooks/events.ts';
import { discardLeftovers } from './discard.ts';
import { isVerdict, sniffObject } from './finish.ts';
import { heldImport } from './import-store.ts';
import { refuseOverQuota } from './quota.ts';
import { partsOf, type UploadRow } from './store.ts';

/** Ends the import task of `held`; a file that is no video ends its job instead. */
export async function acceptImport(
  env: Env,
  config: Config,
  held: HeldTask,
  sizeBytes: number,
  log: Log,
): Promise<void> {
  const { upload, isDone, mark } = await heldImport(env.DB, held);
  if (isDone) return;
  await assemble(env, upload, mark, sizeBytes);
  const object = await headObject(env.MEDIA, upload.object_key);
  if (object?.customMetadata?.uploadId !== upload.id || object.size !== sizeBytes) {
    throw storageUnavailable(`no object of upload ${upload.id}`);
  }
  try {
    // Of a file whose size nobody knew before.
    const growth = { uploads: 0, bytes: sizeBytes - upload.size_bytes } as const;
    if (growth.bytes > 0) await refuseOverQuota(env.DB, config, upload.owner_id, growth);
    await sniffObject(env.MEDIA, object);
  } catch (error) {
    const isFinal = error instanceof AppError && (isVerdict(error.code) || isOverQuota(error));
    if (!isFinal) throw error;
    await endAttempt(env.DB, held, { cause: 'media', code: error.code, detail: error.detail });
    await discardLeftovers(env, upload, log);
    meter.count('reelay_uploads_total', { method: upload.method, outcome: 'rejected' });
    log.info('import.rejected', { ...held, code: error.code });
    return;
  }
  await accept(env.DB, held, upload, object);
  meter.count('reelay_uploads_total', { method: upload.method, outcome: 'accepted' });
  meter.count('reelay_upload_bytes_total', { method: upload.method }, sizeBytes);
  log.info('import.accepted', { ...held, videoId: upload.video_id, sizeBytes });
}

function isOverQuota({ code }: AppError): boolean {
  return code === 'quota_exceeded' || code === 'daily_quota_exceeded';
}

async function assemble(env: Env, upload: UploadRow, mark: number, sizeBytes: number): Promise<void> {
  const parts = await partsOf(env.DB, upload.id);
  const totalBytes = parts.reduce((sum, part) => sum + part.size_bytes, 0);
  if (parts.length !== mark || totalBytes !== sizeBytes || !upload.r2_upload_id) {
    throw new AppError('commit_out_of_order', {
      detail: `The ledger holds ${totalBytes} bytes in ${parts.length} parts, not ${sizeBytes} bytes.`,
    });
  }
  const multipart = env.MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id);
  const list = parts.map(({ number, etag }) => ({ partNumber: number, etag }));
  try {
    await withR2Retries(() => multipart.complete(list));
  } catch (error) {
    // Completed before, with the reply lost: the object itself will tell.
    if (r2FailureOf(error) !== 'no_such_upload') throw error;
  }
}

async function accept(db: D1Database, held: HeldTask, upload: UploadRow, object: R2Object): Promise<void> {
  const token = newToken();
  const isAccepted = taskGuard(held, token);
  // Nobody has seen all bytes in a row yet: the transcoder compares a declared hash before it publishes.
  const source = [upload.object_key, object.etag, object.size, upload.sha256];
  const results = await db.batch<{ name: string }>([
    db
      .prepare(
        `UPDATE tasks SET state = 'done', finished_at = unixepoch(), lease_until = 0, token = ?
         WHERE job_id = ? AND name = ? AND kind = 'import' AND epoch = ? AND state = 'running' RETURNING name`,
      )
      .bind(token, held.jobId, held.task, held.epoch),
    db
      .prepare(
        `UPDATE uploads SET state = 'accepted', job_id = ?, size_bytes = ? WHERE id = ? AND ${isAccepted.sql}`,
      )
      .bind(held.jobId, object.size, upload.id, ...isAccepted.params),
    db
      .prepare(
        `UPDATE jobs SET source_key = ?, source_etag = ?, source_bytes = ?, source_sha256 = ?
         WHERE id = ? AND ${isAccepted.sql}`,
      )
      .bind(...source, held.jobId, ...isAccepted.params),
    db
      .prepare(
        `UPDATE videos SET source_key = ?, source_etag = ?, source_bytes = ?, source_sha256 = ?,
           state = CASE state WHEN 'uploading' THEN 'processing' ELSE state END
         WHERE id = ? AND ${isAccepted.sql}`,
      )
      .bind(...source, upload.video_id, ...isAccepted.params),
    db
      .prepare(
        `INSERT INTO tasks (job_id, name, kind, idx, state, not_before)
         SELECT ?, 'plan', 'plan', 0, 'ready', unixepoch() WHERE ${isAccepted.sql}
         ON CONFLICT (job_id, name) DO NOTHING`,
      )
      .bind(held.jobId, ...isAccepted.params),
    // The URL may hold a signature, and nobody needs it any more.
    db
      .prepare(`UPDATE imports SET url = NULL WHERE job_id = ? AND ${isAccepted.sql}`)
      .bind(held.jobId, ...isAccepted.params),
    ticketStatement(db, { id: `ticket:${held.jobId}:${token}`, jobId: held.jobId }, isAccepted),
    eventStatement(
      db,
      {
        type: 'upload.completed',
        key: upload.id,
        about: held,
        data: { uploadId: upload.id, jobId: held.jobId, sizeBytes: object.size },
      },
      isAccepted,
    ),
  ]);
  if (!results[0]?.results[0]) await currentOf(db, held, ['done']);
}
