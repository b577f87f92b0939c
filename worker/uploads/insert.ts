// The rows every upload begins with, whatever its method: a video without a source, and the upload that will
// bring it. Both or none, and only where the owner's quotas have room.
import type { UploadMethod, VideoInput } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { EMPTY_TUS_TTL_SECONDS, UPLOAD_TTL_SECONDS } from '../../shared/limits.ts';
import { choicesOf } from '../jobs/plan-options.ts';
import { hasRoom, type QuotaLimits, refuseOverQuota } from './quota.ts';

export type NewUpload = {
  uploadId: string;
  videoId: string;
  ownerId: string;
  method: UploadMethod | 'import';
  filename: string;
  /** What the quotas are asked for. */
  sizeBytes: number;
  partSizeBytes: number;
  partCount: number;
  sha256?: string | undefined;
  objectKey: string;
  r2UploadId: string | null;
  video: VideoInput;
  traceparent?: string | undefined;
  tus?: { isLengthDeferred: boolean; metadata: string | null };
};

/**
 * @param also statements of the same batch, guarded by the upload's row
 * @throws AppError `quota_exceeded`, `daily_quota_exceeded`; then nothing is written.
 */
export async function insertUpload(
  db: D1Database,
  limits: QuotaLimits,
  upload: NewUpload,
  also: D1PreparedStatement[] = [],
): Promise<void> {
  let isInserted: boolean;
  try {
    const results = await db.batch([
      videoStatement(db, limits, upload),
      uploadStatement(db, upload),
      ...also,
      db.prepare('SELECT 1 FROM uploads WHERE id = ?').bind(upload.uploadId),
    ]);
    isInserted = results.at(-1)!.results.length > 0;
  } catch (error) {
    // A lost answer is not a lost write.
    if (await isStored(db, upload.uploadId)) return;
    throw error;
  }
  if (isInserted) return;
  await refuseOverQuota(db, limits, upload.ownerId, wantedBy(upload));
  throw new AppError('quota_exceeded', { detail: 'Other uploads have just taken the room; try again.' });
}

export function wantedBy({ sizeBytes }: { sizeBytes: number }): { uploads: 1; bytes: number } {
  return { uploads: 1, bytes: sizeBytes };
}

async function isStored(db: D1Database, uploadId: string): Promise<boolean> {
  return (await db.prepare('SELECT 1 FROM uploads WHERE id = ?').bind(uploadId).first()) !== null;
}

function videoStatement(db: D1Database, limits: QuotaLimits, upload: NewUpload): D1PreparedStatement {
  const { video } = upload;
  const room = hasRoom(limits, upload.ownerId, wantedBy(upload));
  const { protection, keyRotationSegments } = video;
  const options = { ...choicesOf(video), protection, keyRotationSegments };
  return db
    .prepare(
      `INSERT INTO videos (id, owner_id, title, kind, content_id, visibility, protection, regions, tags, options, state)
       SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'uploading' WHERE ${room.sql}`,
    )
    .bind(
      ...[upload.videoId, upload.ownerId, video.title ?? titleOf(upload.filename)],
      ...[video.kind ?? 'video', video.contentId ?? null],
      ...[video.visibility ?? 'private', video.protection ?? 'none'],
      ...[JSON.stringify(video.regions ?? []), JSON.stringify(video.tags ?? []), JSON.stringify(options)],
      ...room.params,
    );
}

function uploadStatement(db: D1Database, upload: NewUpload): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO uploads (id, video_id, owner_id, method, filename, size_bytes, part_bytes, part_count, sha256,
                            is_length_deferred, tus_metadata, state, object_key, r2_upload_id, traceparent, expires_at)
       SELECT ?, id, owner_id, ?, ?, ?, ?, ?, ?, ?, ?, 'created', ?, ?, ?, unixepoch() + ? FROM videos WHERE id = ?`,
    )
    .bind(
      ...[upload.uploadId, upload.method, upload.filename],
      ...[upload.sizeBytes, upload.partSizeBytes, upload.partCount, upload.sha256 ?? null],
      ...[upload.tus?.isLengthDeferred ? 1 : 0, upload.tus?.metadata ?? null],
      ...[upload.objectKey, upload.r2UploadId, upload.traceparent ?? null],
      ...[upload.tus ? EMPTY_TUS_TTL_SECONDS : UPLOAD_TTL_SECONDS, upload.videoId],
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
