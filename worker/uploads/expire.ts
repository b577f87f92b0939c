// The cron's part in uploads: ends those whose time is over and finishes those whose request died half-way.
import { AppError } from '../../shared/errors.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';
import { discardBytes } from './abort.ts';
import { settleUpload } from './complete.ts';
import { failUpload, type UploadRow } from './store.ts';

/** Rows handled per run; the next minute takes the rest. */
const PER_RUN = 50;

export async function expireUploads(env: Env, log: Log): Promise<void> {
  for (const upload of await overdue(env.DB)) {
    const error = new AppError('upload_expired', { detail: 'The upload was not completed in time.' });
    if (await failUpload(env.DB, upload, 'expired', error)) {
      await discardBytes(env, upload);
      log.info('upload.expired', { uploadId: upload.id });
    }
  }
  for (const upload of await halfWay(env.DB)) {
    try {
      await settleUpload(env, configOf(env), upload, log);
    } catch (error) {
      // A verdict on the file is an ending too; anything else is tried again in a minute.
      log.warn('upload.settle_failed', { uploadId: upload.id, ...errorFields(error) });
    }
  }
}

async function overdue(db: D1Database): Promise<UploadRow[]> {
  const { results } = await db
    .prepare(
      `SELECT *, 1 AS is_expired FROM uploads
       WHERE state IN ('created', 'receiving') AND expires_at <= unixepoch() ORDER BY expires_at LIMIT ?`,
    )
    .bind(PER_RUN)
    .all<UploadRow>();
  return results;
}

async function halfWay(db: D1Database): Promise<UploadRow[]> {
  const { results } = await db
    .prepare(
      `SELECT *, expires_at <= unixepoch() AS is_expired FROM uploads
       WHERE state = 'completing' ORDER BY expires_at LIMIT ?`,
    )
    .bind(PER_RUN)
    .all<UploadRow>();
  return results;
}
