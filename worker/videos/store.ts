// SQL of the library. Every statement names the owner; a video being deleted is gone for everybody.
import type { VideoKind, VideoPatch } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import type { RowPlace } from '../../shared/page-cursor.ts';
import type { Protection } from '../../shared/protection.ts';
import type { VideoState } from '../../shared/states.ts';

export type VideoRow = {
  id: string;
  owner_id: string;
  title: string;
  kind: VideoKind;
  content_id: string | null;
  visibility: 'private' | 'public';
  protection: Protection;
  regions: string;
  tags: string;
  options: string;
  state: VideoState;
  source_key: string | null;
  source_etag: string | null;
  source_bytes: number | null;
  source_sha256: string | null;
  output_prefix: string | null;
  presentation: string | null;
  error_code: string | null;
  error_detail: string | null;
  created_at: number;
  ready_at: number | null;
};

export type ListFilter = {
  state?: VideoState | undefined;
  kind?: VideoKind | undefined;
  /** Part of a title or a whole content id. */
  q?: string | undefined;
  after?: RowPlace | undefined;
  limit: number;
};

/** @throws AppError `not_found`, also for another owner's video. */
export async function videoOf(db: D1Database, id: string, ownerId: string): Promise<VideoRow> {
  const row = await db
    .prepare(`SELECT * FROM videos WHERE id = ? AND owner_id = ? AND state <> 'deleting'`)
    .bind(id, ownerId)
    .first<VideoRow>();
  if (!row) throw noSuchVideo();
  return row;
}

export function noSuchVideo(): AppError {
  return new AppError('not_found', { detail: 'There is no such video.' });
}

/** Newest first, at most `limit` rows after the given one. */
export async function listVideos(db: D1Database, ownerId: string, filter: ListFilter): Promise<VideoRow[]> {
  // instr, since D1 takes no LIKE pattern above 50 bytes.
  const { results } = await db
    .prepare(
      `SELECT * FROM videos
       WHERE owner_id = ?1 AND state <> 'deleting'
         AND (?2 IS NULL OR state = ?2)
         AND (?3 IS NULL OR kind = ?3)
         AND (?4 IS NULL OR instr(lower(title), lower(?4)) > 0 OR content_id = ?4)
         AND (?5 IS NULL OR (created_at, id) < (?5, ?6))
       ORDER BY created_at DESC, id DESC LIMIT ?7`,
    )
    .bind(
      ...[ownerId, filter.state ?? null, filter.kind ?? null, filter.q ?? null],
      ...[filter.after?.createdAt ?? null, filter.after?.id ?? null, filter.limit],
    )
    .all<VideoRow>();
  return results;
}

/** @throws AppError `not_found` */
export async function updateVideo(
  db: D1Database,
  id: string,
  ownerId: string,
  patch: VideoPatch,
): Promise<VideoRow> {
  const json = (list: string[] | undefined) => (list ? JSON.stringify(list) : null);
  const row = await db
    .prepare(
      `UPDATE videos SET title = coalesce(?, title), visibility = coalesce(?, visibility),
         regions = coalesce(?, regions), tags = coalesce(?, tags)
       WHERE id = ? AND owner_id = ? AND state <> 'deleting' AND (protection = 'none' OR ? IS NOT 'public')
       RETURNING *`,
    )
    .bind(
      ...[patch.title ?? null, patch.visibility ?? null, json(patch.regions), json(patch.tags)],
      ...[id, ownerId, patch.visibility ?? null],
    )
    .first<VideoRow>();
  if (row) return row;
  await videoOf(db, id, ownerId);
  throw new AppError('protection_not_available', { detail: 'A protected video cannot be public.' });
}

/** The name the source had on its owner's machine. */
export async function sourceFilename(db: D1Database, video: VideoRow): Promise<string | undefined> {
  const row = await db
    .prepare('SELECT filename FROM uploads WHERE video_id = ? AND object_key = ?')
    .bind(video.id, video.source_key)
    .first<{ filename: string }>();
  return row?.filename;
}
