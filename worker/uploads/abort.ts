// Giving an upload up. Its video never had a source, so it leaves the library at once; the sweeper removes the
// rows.
import { AppError } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Env } from '../env.ts';
import { discardLeftovers } from './discard.ts';
import { hasEndedBadly, type UploadRow } from './store.ts';

/** Repeating it is no error. @throws AppError `upload_not_open` once the bytes have been accepted. */
export async function abortUpload(env: Env, upload: UploadRow, log: Log): Promise<void> {
  const [aborted] = await env.DB.batch([
    env.DB.prepare(
      `UPDATE uploads SET state = 'aborted', has_leftovers = 1
       WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving')`,
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
  if (aborted!.meta.changes === 0 && !hasEndedBadly(upload)) {
    throw new AppError('upload_not_open', {
      detail: 'The file is already accepted; delete the video instead.',
    });
  }
  await discardLeftovers(env, upload, log);
}
