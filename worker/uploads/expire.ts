// The cron's part in uploads: ends those whose time is over, finishes those whose request died half-way, and
// clears away what could not be deleted at once.
import { AppError } from '../../shared/errors.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';
import { countSwept, meter } from '../http/meter.ts';
import { settleUpload } from './complete.ts';
import { discardLeftovers } from './discard.ts';
import { pruneClaims } from './part-claims.ts';
import { failUpload, halfWayUploads, overdueUploads, partsOf, uploadsWithLeftovers } from './store.ts';

/** Rows handled per run and kind; the next minute takes the rest. */
const PER_RUN = 50;

/** What one run did, as the log tells it. */
type Cleaned = {
  expired: number;
  /** Aborted uploads whose bytes could not be deleted at once and now are. */
  aborted: number;
  /** Parts that expired uploads held. */
  parts: number;
  /** Uploads of which R2 holds nothing any more: neither object nor open multipart upload. */
  objects: number;
  /** Given back to the quotas of their owners. */
  reservedBytes: number;
  /** Uploads whose bytes R2 would not delete; the next run tries again. */
  failed: number;
};

export async function expireUploads(env: Env, log: Log): Promise<void> {
  const error = new AppError('upload_expired', { detail: 'The upload was not completed in time.' });
  const cleaned: Cleaned = { expired: 0, aborted: 0, parts: 0, objects: 0, reservedBytes: 0, failed: 0 };
  for (const upload of await overdueUploads(env.DB, PER_RUN)) {
    const parts = await partsOf(env.DB, upload.id);
    // Not one that is completing by now: its last byte came in time.
    if (await failUpload(env.DB, upload, { from: ['created', 'receiving'], to: 'expired', error })) {
      log.info('upload.expired', { uploadId: upload.id });
      cleaned.expired += 1;
      meter.count('reelay_uploads_total', { method: upload.method, outcome: 'expired' });
      cleaned.parts += parts.length;
      cleaned.reservedBytes += upload.size_bytes;
    }
  }
  await pruneClaims(env.DB);
  for (const upload of await halfWayUploads(env.DB, PER_RUN)) {
    try {
      await settleUpload(env, configOf(env), upload, log);
    } catch (error) {
      // A verdict on the file is an ending too; anything else is tried again in a minute.
      log.warn('upload.settle_failed', { uploadId: upload.id, ...errorFields(error) });
    }
  }
  for (const upload of await uploadsWithLeftovers(env.DB, PER_RUN)) {
    const isGone = await discardLeftovers(env, upload, log);
    cleaned[isGone ? 'objects' : 'failed'] += 1;
    if (isGone && upload.state === 'aborted') cleaned.aborted += 1;
  }
  meter.count('reelay_quota_returned_bytes_total', {}, cleaned.reservedBytes);
  countSwept({ expired_uploads: cleaned.expired, orphans: cleaned.objects, orphans_kept: cleaned.failed });
  if (Object.values(cleaned).some((count) => count > 0)) log.info('uploads.cleaned', cleaned);
}
