// Where every upload method ends: the stored object is judged once, and either becomes a source with exactly
// one job or is rejected and deleted.
import type { CompletedUpload, VideoKind } from '../../shared/api.ts';
import { AppError, type ErrorCode, isMediaError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import { generationPrefix } from '../../shared/object-keys.ts';
import { toHex } from '../../shared/sign.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import type { Config, Env } from '../env.ts';
import { createJobStatements } from '../jobs/create.ts';
import { planOptionsOf } from '../jobs/plan-options.ts';
import { getObject, hasBody, headObject, storageUnavailable } from '../r2.ts';
import { failUpload, storedError, type UploadRow, uploadOf } from './store.ts';

/**
 * Judges the object of an upload in state `completing` and starts its job. Safe to run twice at once.
 *
 * @throws AppError with the verdict (`upload_size_mismatch`, `upload_checksum_mismatch`, `media_…`).
 */
export async function finishUpload(
  env: Env,
  config: Config,
  upload: UploadRow,
  log: Log,
): Promise<CompletedUpload> {
  const object = await headObject(env.MEDIA, upload.object_key);
  if (object?.customMetadata?.uploadId !== upload.id) return whenObjectIsMissing(env, upload);
  try {
    if (object.size !== upload.size_bytes) {
      throw new AppError('upload_size_mismatch', {
        detail: `${object.size} bytes arrived, ${upload.size_bytes} were declared.`,
      });
    }
    await checkSha256(env.MEDIA, upload, object);
    sniffContainer(await readHead(env.MEDIA, object), object.size);
  } catch (error) {
    if (error instanceof AppError && isVerdict(error.code)) return reject(env, upload, error, log);
    throw error;
  }
  return accept(env, config, upload, object, log);
}

function isVerdict(code: ErrorCode): boolean {
  return code === 'upload_size_mismatch' || code === 'upload_checksum_mismatch' || isMediaError(code);
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
  const source = { key: upload.object_key, etag: object.etag, sizeBytes: object.size };
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
      `UPDATE videos SET source_key = ?, source_etag = ?, source_bytes = ?
       WHERE id = ? AND owner_id = ? AND ${guard.sql}`,
    ).bind(source.key, source.etag, source.sizeBytes, upload.video_id, upload.owner_id, ...guard.params),
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
  ]);
  if (accepted!.meta.changes === 1) {
    log.info('upload.accepted', {
      uploadId: upload.id,
      videoId: upload.video_id,
      jobId,
      sizeBytes: object.size,
    });
    return { videoId: upload.video_id, jobId };
  }
  return outcomeOfOther(env, upload);
}

async function reject(env: Env, upload: UploadRow, error: AppError, log: Log): Promise<CompletedUpload> {
  if (!(await failUpload(env.DB, upload, 'rejected', error))) return outcomeOfOther(env, upload);
  await env.MEDIA.delete(upload.object_key);
  log.info('upload.rejected', { uploadId: upload.id, videoId: upload.video_id, code: error.code });
  throw error;
}

async function whenObjectIsMissing(env: Env, upload: UploadRow): Promise<CompletedUpload> {
  const now = await uploadOf(env.DB, upload.id, upload.owner_id);
  if (now.state === 'completing' && now.is_expired) {
    await failUpload(env.DB, now, 'expired', new AppError('upload_expired'));
    throw new AppError('upload_expired');
  }
  // Another request may be between R2 and D1 with this very upload; whoever comes later will see its outcome.
  if (now.state === 'completing') throw storageUnavailable(`no object of upload ${upload.id}`);
  return outcomeOfOther(env, upload);
}

/** Someone else ended this upload first: their answer is the answer. */
async function outcomeOfOther(env: Env, upload: UploadRow): Promise<CompletedUpload> {
  const now = await uploadOf(env.DB, upload.id, upload.owner_id);
  if (now.state === 'accepted') return { videoId: now.video_id, jobId: now.job_id! };
  if (now.state === 'rejected') throw storedError(now);
  throw new AppError(now.state === 'expired' ? 'upload_expired' : 'upload_not_open');
}

async function readHead(bucket: R2Bucket, object: R2Object): Promise<Uint8Array> {
  return new Uint8Array(
    await (await read(bucket, object, { range: { offset: 0, length: SNIFF_BYTES } })).arrayBuffer(),
  );
}

/** `single` uploads were checked by R2 as they came in; other methods are read once. */
async function checkSha256(bucket: R2Bucket, upload: UploadRow, object: R2Object): Promise<void> {
  if (!upload.sha256 || upload.method === 'single') return;
  const digest = new crypto.DigestStream('SHA-256');
  await (await read(bucket, object)).body.pipeTo(digest);
  if (toHex(await digest.digest) !== upload.sha256) throw new AppError('upload_checksum_mismatch');
}

async function read(bucket: R2Bucket, object: R2Object, options: R2GetOptions = {}): Promise<R2ObjectBody> {
  const found = await getObject(bucket, object.key, { ...options, onlyIf: { etagMatches: object.etag } });
  if (!found || !hasBody(found)) throw storageUnavailable(`${object.key} changed while it was being read`);
  return found;
}
