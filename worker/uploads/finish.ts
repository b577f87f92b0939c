// Where every upload method ends: the stored object is judged once, and either becomes a source with exactly
// one job or is rejected and deleted.
import type { CompletedUpload, VideoKind } from '../../shared/api.ts';
import { AppError, type ErrorCode, isMediaError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import { generationPrefix } from '../../shared/object-keys.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import type { UploadState } from '../../shared/states.ts';
import { parseTraceparent } from '../../shared/trace-context.ts';
import type { Config, Env } from '../env.ts';
import { meter } from '../http/meter.ts';
import { createJobStatements } from '../jobs/create.ts';
import { planOptionsOf } from '../jobs/plan-options.ts';
import { getObject, hasBody, headObject, storageUnavailable } from '../r2.ts';
import { eventStatement } from '../webhooks/events.ts';
import { discardLeftovers } from './discard.ts';
import { failUpload, hasEndedBadly, storedError, type UploadRow, uploadOf } from './store.ts';

const UNDECIDED: UploadState[] = ['created', 'receiving', 'completing'];

/**
 * Judges the object of an upload in state `completing` and starts its job. Safe to run twice at once.
 *
 * @throws AppError with the verdict (`upload_size_mismatch`, `media_…`).
 */
export async function finishUpload(
  env: Env,
  config: Config,
  upload: UploadRow,
  log: Log,
): Promise<CompletedUpload> {
  const object = await headObject(env.MEDIA, upload.object_key);
  if (object?.customMetadata?.uploadId !== upload.id) return whenObjectIsMissing(env, upload, log);
  try {
    if (object.size !== upload.size_bytes) {
      throw new AppError('upload_size_mismatch', {
        detail: `${object.size} bytes arrived, ${upload.size_bytes} were declared.`,
      });
    }
    await sniffObject(env.MEDIA, object);
  } catch (error) {
    if (error instanceof AppError && isVerdict(error.code)) return reject(env, upload, error, log);
    throw error;
  }
  return accept(env, config, upload, object, log);
}

export function isVerdict(code: ErrorCode): boolean {
  return code === 'upload_size_mismatch' || isMediaError(code);
}

async function accept(
  env: Env,
  config: Config,
  upload: UploadRow,
  object: R2Object,
  log: Log,
): Promise<CompletedUpload> {
  const video = await env.DB.prepare(
    'SELECT kind, content_id, options FROM videos WHERE id = ? AND owner_id = ?',
  )
    .bind(upload.video_id, upload.owner_id)
    .first<{ kind: VideoKind; content_id: string | null; options: string }>();
  if (!video) throw new AppError('not_found');

  const jobId = crypto.randomUUID();
  const source = {
    key: upload.object_key,
    etag: object.etag,
    sizeBytes: object.size,
    // R2 has checked a `single` file as it came in. Of other methods nobody has seen all bytes in a row, and
    // reading them here could take longer than a request may: the transcoder checks them before it publishes.
    ...(upload.sha256 !== null && upload.method !== 'single' && { sha256: upload.sha256 }),
  };
  // A batch does not stop at a compare-and-set that matched nothing: what follows is guarded by its mark.
  const guard = {
    sql: 'EXISTS (SELECT 1 FROM uploads WHERE id = ? AND job_id = ?)',
    params: [upload.id, jobId],
  };
  const [accepted] = await env.DB.batch([
    env.DB.prepare(
      `UPDATE uploads SET state = 'accepted', job_id = ?
       WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving', 'completing') AND job_id IS NULL`,
    ).bind(jobId, upload.id, upload.owner_id),
    env.DB.prepare(
      `UPDATE videos SET source_key = ?, source_etag = ?, source_bytes = ?, source_sha256 = ?
       WHERE id = ? AND owner_id = ? AND ${guard.sql}`,
    ).bind(
      ...[source.key, source.etag, source.sizeBytes, source.sha256 ?? null],
      ...[upload.video_id, upload.owner_id, ...guard.params],
    ),
    ...createJobStatements(
      env.DB,
      {
        jobId,
        videoId: upload.video_id,
        ownerId: upload.owner_id,
        options: planOptionsOf(config, video.options),
        source,
        outputPrefix: generationPrefix(video.kind, video.content_id ?? upload.video_id, jobId),
      },
      guard,
    ),
    eventStatement(
      env.DB,
      {
        type: 'upload.completed',
        key: upload.id,
        about: { videoId: upload.video_id },
        data: { uploadId: upload.id, jobId, sizeBytes: object.size },
      },
      guard,
    ),
  ]);
  if (accepted!.meta.changes === 1) {
    const { method } = upload;
    meter.count('reelay_uploads_total', { method, outcome: 'accepted' });
    meter.count('reelay_upload_bytes_total', { method }, object.size);
    const traceId = parseTraceparent(upload.traceparent)?.traceId;
    log.info('upload.accepted', {
      ...(traceId !== undefined && { traceId }),
      uploadId: upload.id,
      videoId: upload.video_id,
      jobId,
      sizeBytes: object.size,
    });
    return { videoId: upload.video_id, jobId };
  }
  return outcomeOfOther(env, upload, log);
}

async function reject(env: Env, upload: UploadRow, error: AppError, log: Log): Promise<CompletedUpload> {
  const isRejected = await failUpload(env.DB, upload, { from: UNDECIDED, to: 'rejected', error });
  if (!isRejected) return outcomeOfOther(env, upload, log);
  await discardLeftovers(env, upload, log);
  meter.count('reelay_uploads_total', { method: upload.method, outcome: 'rejected' });
  log.info('upload.rejected', { uploadId: upload.id, videoId: upload.video_id, code: error.code });
  throw error;
}

async function whenObjectIsMissing(env: Env, upload: UploadRow, log: Log): Promise<CompletedUpload> {
  const now = await uploadOf(env.DB, upload.id, upload.owner_id);
  if (now.state === 'completing' && now.is_expired) {
    const error = new AppError('upload_expired');
    if (await failUpload(env.DB, now, { from: ['completing'], to: 'expired', error })) throw error;
  }
  // Another request may be between R2 and D1 with this very upload; whoever comes later will see its outcome.
  if (now.state === 'completing') throw storageUnavailable(`no object of upload ${upload.id}`);
  return outcomeOfOther(env, upload, log);
}

/** Someone else ended this upload first: their answer is the answer. */
async function outcomeOfOther(env: Env, upload: UploadRow, log: Log): Promise<CompletedUpload> {
  const now = await uploadOf(env.DB, upload.id, upload.owner_id);
  if (now.state === 'accepted') return { videoId: now.video_id, jobId: now.job_id! };
  // The object may have been assembled after the others had cleared up.
  if (hasEndedBadly(now)) await discardLeftovers(env, now, log);
  if (now.state === 'rejected') throw storedError(now);
  throw new AppError(now.state === 'expired' ? 'upload_expired' : 'upload_not_open');
}

/** @throws AppError media_… where the object begins like no video. */
export async function sniffObject(bucket: R2Bucket, object: R2Object): Promise<void> {
  sniffContainer(await readHead(bucket, object), object.size);
}

async function readHead(bucket: R2Bucket, object: R2Object): Promise<Uint8Array> {
  const found = await getObject(bucket, object.key, {
    range: { offset: 0, length: SNIFF_BYTES },
    onlyIf: { etagMatches: object.etag },
  });
  if (!found || !hasBody(found)) throw storageUnavailable(`${object.key} changed while it was being read`);
  return new Uint8Array(await found.arrayBuffer());
}
