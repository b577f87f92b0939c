// Opens an upload: picks the method, fixes the part size, and writes video and upload in one batch.
import type { CreatedUpload, CreateUpload, UploadMethod } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import {
  EDGE_MULTIPART_MAX_BYTES,
  MIB,
  maxSizeBytes,
  PRESIGN_MAX_PARTS_PER_CALL,
  uploadPartSizeBytes,
} from '../../shared/limits.ts';
import { sourceKey } from '../../shared/object-keys.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { Config, Env } from '../env.ts';
import type { Caller } from '../http/context.ts';
import { refuseProtection } from '../keys/offer.ts';
import { abortMultipart, withR2Retries } from '../r2.ts';
import { insertUpload, wantedBy } from './insert.ts';
import { isPresignConfigured, presignParts } from './presign.ts';
import { refuseOverQuota } from './quota.ts';
import { isOpen, type UploadRow, uploadOf } from './store.ts';

/** tus tells its length and its metadata in its own way; everything else about a new upload is the same. */
export type NewFile = Omit<CreateUpload, 'method'> & {
  method: UploadMethod | 'auto';
  tus?: { isLengthDeferred: boolean; metadata: string | null };
};

export async function createUpload(
  env: Env,
  config: Config,
  caller: Caller,
  input: NewFile,
  uploadId: string = crypto.randomUUID(),
): Promise<CreatedUpload> {
  const method = pickMethod(input, config);
  refuseImpossible(input, method, config);
  await refuseTakenContentId(env.DB, caller.ownerId, input);
  await refuseOverQuota(env.DB, config, caller.ownerId, wantedBy(input));

  const videoId = crypto.randomUUID();
  const objectKey = sourceKey(videoId, uploadId);
  // A length that nobody knows yet may turn out to be the largest.
  const plannedBytes = input.tus?.isLengthDeferred ? EDGE_MULTIPART_MAX_BYTES : input.sizeBytes;
  const partSizeBytes = method === 'single' ? input.sizeBytes : uploadPartSizeBytes(plannedBytes);
  const partCount = Math.ceil(input.sizeBytes / partSizeBytes);

  const r2UploadId = method === 'single' ? null : await openMultipart(env.MEDIA, objectKey, uploadId);
  try {
    const parts = { method, partSizeBytes, partCount, objectKey, r2UploadId };
    const { ownerId, traceparent } = caller;
    await insertUpload(env.DB, config, { ...input, ...parts, uploadId, videoId, ownerId, traceparent });
  } catch (error) {
    if (r2UploadId) await abortMultipart(env.MEDIA, objectKey, r2UploadId);
    throw error;
  }
  const upload = await uploadOf(env.DB, uploadId, caller.ownerId);
  // A request with the same Idempotency-Key was faster.
  if (r2UploadId && upload.r2_upload_id !== r2UploadId) {
    await abortMultipart(env.MEDIA, objectKey, r2UploadId);
  }
  return renderCreated(config, upload);
}

/** The answer to a creation, with URLs that are good from now on. */
export async function renderCreated(config: Config, upload: UploadRow): Promise<CreatedUpload> {
  const count = Math.min(upload.part_count, PRESIGN_MAX_PARTS_PER_CALL);
  const firstNumbers = Array.from({ length: count }, (_, i) => i + 1);
  return {
    uploadId: upload.id,
    videoId: upload.video_id,
    method: upload.method,
    partSizeBytes: upload.part_bytes,
    partCount: upload.part_count,
    expiresAt: rfc3339(upload.expires_at),
    ...(upload.method === 'presigned' &&
      isOpen(upload) && { parts: await presignParts(config, upload, firstNumbers) }),
  };
}

function pickMethod({ method, sizeBytes }: NewFile, config: Config): UploadMethod {
  if (method !== 'auto') return method;
  if (sizeBytes <= config.EDGE_BODY_LIMIT_BYTES) return 'single';
  return isPresignConfigured(config) ? 'presigned' : 'multipart';
}

function refuseImpossible(input: NewFile, method: UploadMethod, config: Config): void {
  const { sizeBytes, video } = input;
  if (sizeBytes === 0 && !input.tus?.isLengthDeferred) throw new AppError('upload_empty');
  if (method === 'presigned' && !isPresignConfigured(config)) {
    throw new AppError('upload_method_unavailable', {
      detail: 'Presigned uploads need R2 S3 credentials, which this deployment does not have; use multipart.',
    });
  }
  const limitBytes = maxSizeBytes(method, config.EDGE_BODY_LIMIT_BYTES);
  if (sizeBytes > limitBytes) {
    throw new AppError('upload_too_large', {
      detail: `Method ${method} takes up to ${Math.floor(limitBytes / MIB)} MiB here.`,
    });
  }
  refuseProtection(config, video);
}

export async function refuseTakenContentId(
  db: D1Database,
  ownerId: string,
  { video }: Pick<NewFile, 'video'>,
): Promise<void> {
  if (video.contentId === undefined) return;
  const holder = await db
    .prepare('SELECT owner_id FROM contents WHERE kind = ? AND content_id = ?')
    .bind(video.kind ?? 'video', video.contentId)
    .first<{ owner_id: string }>();
  if (holder && holder.owner_id !== ownerId) throw new AppError('content_id_taken');
}

/** `customMetadata.uploadId` settles later whose object this is when a reply got lost. */
export async function openMultipart(bucket: R2Bucket, key: string, uploadId: string): Promise<string> {
  const options = { customMetadata: { uploadId }, httpMetadata: { contentType: 'application/octet-stream' } };
  const multipart = await withR2Retries(() => bucket.createMultipartUpload(key, options));
  return multipart.uploadId;
}
