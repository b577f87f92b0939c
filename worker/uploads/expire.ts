// The cron's part in uploads: ends those whose time is over, finishes those whose request died half-way, and
// clears away what could not be deleted at once.
import { AppError } from '../../shared/errors.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';
import { settleUpload } from './complete.ts';
import { discardLeftovers } from './discard.ts';
import { failUpload, halfWayUploads, overdueUploads, uploadsWithLeftovers } from './store.ts';

/** Rows handled per run and kind; the next minute takes the rest. */
const PER_RUN = 50;

export async function expireUploads(env: Env, log: Log): Promise<void> {
  const error = new AppError('upload_expired', { detail: 'The upload was not completed in time.' });
  for (const upload of await overdueUploads(env.DB, PER_RUN)) {
    // Not one that is completing by now: its last byte came in time.
    if (await failUpload(env.DB, upload, { from: ['created', 'receiving'], to: 'expired', error })) {
      log.info('upload.expired', { uploadId: upload.id });
    }
  }
  for (const upload of await halfWayUploads(env.DB, PER_RUN)) {
    try {
      await settleUpload(env, configOf(env), upload, log);
    } catch (error) {
      // A verdict on the file is an ending too; anything else is tried again in a minute.
      log.warn('upload.settle_failed', { uploadId: upload.id, ...errorFields(error) });
    }
  }
  for (const upload of await uploadsWithLeftovers(env.DB, PER_RUN)) await discardLeftovers(env, upload, log);
}
