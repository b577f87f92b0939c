// What an upload that ended badly leaves in R2. Its row remembers that there is something until it is gone.
import { errorFields, type Log } from '../../shared/log.ts';
import type { Env } from '../env.ts';
import { abortMultipart, withR2Retries } from '../r2.ts';
import { noteDiscarded, type UploadRow } from './store.ts';
import { dropHeldBytes } from './tus-object.ts';

/** Does not throw: what fails is tried again by the cron. @returns whether nothing is left. */
export async function discardLeftovers(env: Env, upload: UploadRow, log: Log): Promise<boolean> {
  try {
    if (upload.method === 'tus') await dropHeldBytes(env, upload.id);
    if (upload.r2_upload_id) await abortMultipart(env.MEDIA, upload.object_key, upload.r2_upload_id);
    await withR2Retries(() => env.MEDIA.delete(upload.object_key));
    await noteDiscarded(env.DB, upload);
    return true;
  } catch (error) {
    log.warn('upload.discard_failed', { uploadId: upload.id, ...errorFields(error) });
    return false;
  }
}
