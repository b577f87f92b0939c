// Opens an upload: picks the method, fixes the part size, and writes video and upload in one batch.
import type { CreatedUpload, CreateUpload, UploadMethod } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import {
  EDGE_MULTIPART_MAX_BYTES,
  MIB,
  PRESIGN_MAX_PARTS_PER_CALL,
  R2_MAX_OBJECT_BYTES,
  UPLOAD_TTL_SECONDS,
  uploadPartSizeBytes,
} from '../../shared/limits.ts';
import { sourceKey } from '../../shared/object-keys.ts';
import type { Config, Env } from '../env.ts';
import type { Caller } from '../http/context.ts';
import { abortMultipart, withR2Retries } from '../r2.ts';
import { isPresignConfigured, presignParts } from './presign.ts';
import { uploadOf } from './store.ts';

export async function createUpload(
  env: Env,
  config: Config,
  caller: Caller,
  input: CreateUpload,
): Promise<CreatedUpload> {
  const method = pickMethod(input, config);
  refuseImpossible(input, method, config);
  await refuseTakenContentId(env.DB, caller.ownerId, input);

  const uploadId = crypto.randomUUID();
  const videoId = crypto.randomUUID();
  const key = sourceKey(videoId, uploadId);
  const partSizeBytes = method === 'single' ? input.sizeBytes : uploadPartSizeBytes(input.sizeBytes);
  const partCount = Math.ceil(input.sizeBytes / partSizeBytes);

  const r2UploadId = method === 'single' ? null : await openMultipart(env.MEDIA, key, uploadId);
  try {
    await env.DB.batch([
      insertVideo(env.DB, videoId, caller.ownerId, input),
      env.DB.prepare(
        `INSERT INTO uploads (id, video_id, owner_id, method, filename, size_bytes, part_bytes, part_count, sha256,
                              state, object_key, r2_upload_id, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'created', ?, ?, unixepoch() + ?)`,
      ).bind(
        ...[
          uploadId,
          videoId,
          caller.ownerId,
          method,
          input.filename,
          input.sizeBytes,
          partSizeBytes,
          partCount,
        ],
        ...[input.sha256 ?? null, key, r2UploadId, UPLOAD_TTL_SECONDS],
      ),
    ]);
  } catch (error) {
    if (r2UploadId) await abortMultipart(env.MEDIA, key, r2UploadId);
    throw error;
  }

  const upload = await uploadOf(env.DB, uploadId, caller.ownerId);
  const firstNumbers = Array.from(
    { length: Math.min(partCount, PRESIGN_MAX_PARTS_PER_CALL) },
    (_, i) => i + 1,
  );
  return {
    uploadId,
    videoId,
    method,
    partSizeBytes,
    partCount,
    expiresAt: new Date(upload.expires_at * 1000).toISOString(),
    ...(method === 'presigned' && { parts: await presignParts(config, upload, firstNumbers) }),
  };
}

function pickMethod({ method, sizeBytes }: CreateUpload, config: Config): UploadMethod {
  if (method !== 'auto') return method;
  if (sizeBytes <= config.EDGE_BODY_LIMIT_BYTES) return 'single';
  return isPresignConfigured(config) ? 'presigned' : 'multipart';
}

function refuseImpossible(input: CreateUpload, method: UploadMethod, config: Config): void {
  const { sizeBytes, video } = input;
  if (sizeBytes === 0) throw new AppError('upload_empty');
  if (method === 'presigned' && !isPresignConfigured(config)) {
    throw new AppError('upload_method_unavailable', {
      detail: 'Presigned uploads need R2 S3 credentials, which this deployment does not have; use multipart.',
    });
  }
  const limitBytes = maxSizeBytes(method, config);
  if (sizeBytes > limitBytes) {
    throw new AppError('upload_too_large', {
      detail: `Method ${method} takes up to ${Math.floor(limitBytes / MIB)} MiB here.`,
    });
  }
  if (video.protection !== undefined && video.protection !== 'none') {
    throw new AppError('protection_not_available', {
      detail: `Protection ${video.protection} is not offered here.`,
    });
  }
}

function maxSizeBytes(method: UploadMethod, config: Config): number {
  if (method === 'single') return config.EDGE_BODY_LIMIT_BYTES;
  return method === 'multipart' ? EDGE_MULTIPART_MAX_BYTES : R2_MAX_OBJECT_BYTES;
}

async function refuseTakenContentId(db: D1Database, ownerId: string, { video }: CreateUpload): Promise<void> {
  if (video.contentId === undefined) return;
  const holder = await db
    .prepare('SELECT owner_id FROM contents WHERE kind = ? AND content_id = ?')
    .bind(video.kind ?? 'video', video.contentId)
    .first<{ owner_id: string }>();
  if (holder && holder.owner_id !== ownerId) throw new AppError('content_id_taken');
}

/** `customMetadata.uploadId` settles later whose object this is when a reply got lost. */
async function openMultipart(bucket: R2Bucket, key: string, uploadId: string): Promise<string> {
  const options = { customMetadata: { uploadId }, httpMetadata: { contentType: 'application/octet-stream' } };
  const multipart = await withR2Retries(() => bucket.createMultipartUpload(key, options));
  return multipart.uploadId;
}

function insertVideo(
  db: D1Database,
  videoId: string,
  ownerId: string,
  input: CreateUpload,
): D1PreparedStatement {
  const { video } = input;
  const options = { ladder: video.ladder, segmentSeconds: video.segmentSeconds, preset: video.preset };
  return db
    .prepare(
      `INSERT INTO videos (id, owner_id, title, kind, content_id, visibility, protection, regions, tags, options, state)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'uploading')`,
    )
    .bind(
      ...[
        videoId,
        ownerId,
        video.title ?? titleOf(input.filename),
        video.kind ?? 'video',
        video.contentId ?? null,
      ],
      ...[video.visibility ?? 'private', video.protection ?? 'none'],
      ...[JSON.stringify(video.regions ?? []), JSON.stringify(video.tags ?? []), JSON.stringify(options)],
    );
}

/** A file's name without folders and extension, as a title of last resort. */
function titleOf(filename: string): string {
  const name = filename.split(/[\\/]/).at(-1) ?? filename;
  return (
    name
      .replace(/\.[A-Za-z0-9]{1,5}$/, '')
      .trim()
      .slice(0, 500) || 'Untitled'
  );
}
