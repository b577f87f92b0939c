// A form says what its file is when it ends: until then its upload is declared as large as it can be.
import { AppError } from '../../shared/errors.ts';
import type { WholeForm } from '../../shared/legacy-api.ts';
import type { Config, Env } from '../env.ts';
import { refuseTakenContentId } from '../uploads/create.ts';
import { requireOpen, type UploadRow, uploadOf } from '../uploads/store.ts';

/**
 * Makes an open `multipart` upload what its form turned out to be. It only ever shrinks, so no quota is asked.
 * Saying the same again changes nothing.
 *
 * @throws AppError `content_id_taken`, `upload_size_mismatch`, `upload_wrong_method`, or why it is not open
 */
export async function settleForm(
  env: Pick<Env, 'DB'>,
  config: Pick<Config, 'LEGACY_VISIBILITY'>,
  upload: UploadRow,
  form: WholeForm,
): Promise<void> {
  const { sizeBytes, sha256, kind, contentId } = form;
  if (upload.method !== 'multipart') throw new AppError('upload_wrong_method');
  if (sizeBytes > upload.size_bytes) {
    throw new AppError('upload_size_mismatch', {
      detail: `The file has ${sizeBytes} bytes, more than the ${upload.size_bytes} that were declared.`,
    });
  }
  await refuseTakenContentId(env.DB, upload.owner_id, { video: { kind, contentId } });
  const partCount = Math.ceil(sizeBytes / upload.part_bytes);
  const [settled] = await env.DB.batch([
    env.DB.prepare(
      `UPDATE uploads SET size_bytes = ?, part_count = ?, sha256 = ?
       WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving') AND size_bytes >= ?`,
    ).bind(sizeBytes, partCount, sha256, upload.id, upload.owner_id, sizeBytes),
    env.DB.prepare(
      `UPDATE videos SET kind = ?, content_id = ?, visibility = ?
       WHERE id = ? AND owner_id = ? AND state = 'uploading' AND EXISTS
         (SELECT 1 FROM uploads WHERE id = ? AND state IN ('created', 'receiving') AND size_bytes = ? AND sha256 = ?)`,
    ).bind(
      ...[kind, contentId, config.LEGACY_VISIBILITY, upload.video_id, upload.owner_id],
      ...[upload.id, sizeBytes, sha256],
    ),
  ]);
  if (settled!.meta.changes === 1) return;
  const now = await uploadOf(env.DB, upload.id, upload.owner_id);
  if (now.state === 'accepted' || now.state === 'completing') return requireSameForm(env.DB, now, form);
  requireOpen(now);
  throw new AppError('upload_size_mismatch');
}

/** For a form that is told once more. @throws AppError `idempotency_key_reused` */
export async function requireSameForm(db: D1Database, upload: UploadRow, form: WholeForm): Promise<void> {
  const video = await db
    .prepare('SELECT kind, content_id FROM videos WHERE id = ? AND owner_id = ?')
    .bind(upload.video_id, upload.owner_id)
    .first<{ kind: string; content_id: string | null }>();
  const isSame =
    upload.size_bytes === form.sizeBytes &&
    upload.sha256 === form.sha256 &&
    video?.kind === form.kind &&
    video.content_id === form.contentId;
  if (isSame) return;
  throw new AppError('idempotency_key_reused', {
    detail: 'This key came with another form before; a new form needs a new key.',
  });
}
