// Giving an upload up. Its video never had a source, so it leaves the library at once; the sweeper removes the
// rows.
import { AppError } from '../../shared/errors.ts';
import type { Env } from '../env.ts';
import { abortMultipart, withR2Retries } from '../r2.ts';
import type { UploadRow } from './store.ts';

/** Repeating it is no error. @throws AppError `upload_not_open` once the bytes have been accepted. */
export async function abortUpload(env: Env, upload: UploadRow): Promise<void> {
  const [aborted] = await env.DB.batch([
    env.DB.prepare(
      `UPDATE uploads SET state = 'aborted' WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving')`,
    ).bind(upload.id, upload.owner_id),
    env.DB.prepare(
      `DELETE FROM upload_parts WHERE upload_id = ?
         AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state = 'aborted')`,
    ).bind(upload.id, upload.id),
    env.DB.prepare(
      `UPDATE videos SET state = 'deleting' WHERE id = ? AND owner_id = ? AND state = 'uploading'
         AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state = 'aborted')`,
    ).bind(upload.video_id, upload.owner_id, upload.id),
  ]);
  const hasEnded = upload.state === 'aborted' || upload.state === 'expired' || upload.state === 'rejected';
  if (aborted!.meta.changes === 0 && !hasEnded) {
    throw new AppError('upload_not_open', {
      detail: 'The file is already accepted; delete the video instead.',
    });
  }
  await discardBytes(env, upload);
}

/** Removes what an ended upload left in R2. */
export async function discardBytes(env: Env, upload: UploadRow): Promise<void> {
  if (upload.r2_upload_id) await abortMultipart(env.MEDIA, upload.object_key, upload.r2_upload_id);
  await withR2Retries(() => env.MEDIA.delete(upload.object_key));
}
