// The row of an import that a transcoder holds.
import { AppError } from '../../shared/errors.ts';
import type { HeldTask } from '../jobs/guard.ts';
import { currentOf } from '../jobs/ledger.ts';
import type { UploadRow } from './store.ts';

export type HeldImport = { upload: UploadRow; isDone: boolean; mark: number };

/** @throws AppError lease_lost where the attempt is over, or `upload_not_open` where the import is. */
export async function heldImport(db: D1Database, held: HeldTask): Promise<HeldImport> {
  const { state, mark } = await currentOf(db, held, ['running', 'done']);
  const upload = await db
    .prepare(
      `SELECT u.*, 0 AS is_expired FROM imports i JOIN uploads u ON u.id = i.upload_id
       JOIN tasks t ON t.job_id = i.job_id WHERE i.job_id = ? AND t.name = ? AND t.kind = 'import'`,
    )
    .bind(held.jobId, held.task)
    .first<UploadRow>();
  if (!upload) throw new AppError('lease_lost', { detail: 'This task is no import.' });
  const isDone = state === 'done';
  if (!isDone && upload.state !== 'receiving') throw new AppError('upload_not_open');
  return { upload, isDone, mark };
}
