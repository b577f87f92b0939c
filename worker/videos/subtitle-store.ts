// SQL of uploaded subtitles. Every change of a video's set moves its version by one in the same batch.
import { AppError } from '../../shared/errors.ts';
import type { SubtitleInfo } from '../../shared/subtitle-api.ts';
import type { SubtitleRow } from '../jobs/manifest-revision.ts';

const MAX_PER_VIDEO = 50;

export type NewSubtitle = {
  id: string;
  videoId: string;
  language: string;
  label: string;
  isDefault: boolean;
  isForced: boolean;
  isCaptions: boolean;
  objectKey: string;
};

/** @throws AppError `quota_exceeded` where the video has as many as it may, `not_found` where it is gone. */
export async function insertSubtitle(db: D1Database, subtitle: NewSubtitle): Promise<SubtitleRow> {
  const { id, videoId } = subtitle;
  const results = await db.batch<SubtitleRow>([
    db
      .prepare(
        `INSERT INTO subtitles (id, video_id, version, name, language, label, is_default, is_forced, is_captions, object_key)
         SELECT ?1, id, subtitles_version + 1, ?2 || '_r' || (subtitles_version + 1), ?2, ?3, ?4, ?5, ?6, ?7
         FROM videos WHERE id = ?8 AND state <> 'deleting'
           AND (SELECT count(*) FROM subtitles WHERE video_id = ?8) < ${MAX_PER_VIDEO}
         ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        ...[id, subtitle.language, subtitle.label],
        ...[Number(subtitle.isDefault), Number(subtitle.isForced), Number(subtitle.isCaptions)],
        ...[subtitle.objectKey, videoId],
      ),
    // The row before is the guard: it alone has a version that the video has yet to reach.
    db
      .prepare(
        `UPDATE videos SET subtitles_version = subtitles_version + 1
         WHERE id = ? AND EXISTS (SELECT 1 FROM subtitles WHERE id = ? AND version = videos.subtitles_version + 1)`,
      )
      .bind(videoId, id),
    db.prepare('SELECT * FROM subtitles WHERE id = ?').bind(id),
  ]);
  const row = results[2]?.results[0];
  if (row) return row;
  const video = await db
    .prepare(`SELECT 1 FROM videos WHERE id = ? AND state <> 'deleting'`)
    .bind(videoId)
    .first();
  if (!video) throw new AppError('not_found', { detail: 'There is no such video.' });
  throw new AppError('quota_exceeded', { detail: `A video may have ${MAX_PER_VIDEO} uploaded subtitles.` });
}

/** @returns the key of its text; undefined where there is no such track. */
export async function deleteSubtitle(
  db: D1Database,
  videoId: string,
  name: string,
): Promise<string | undefined> {
  const results = await db.batch<{ object_key: string }>([
    db
      .prepare(
        `UPDATE videos SET subtitles_version = subtitles_version + 1
         WHERE id = ? AND EXISTS (SELECT 1 FROM subtitles WHERE video_id = ? AND name = ?)`,
      )
      .bind(videoId, videoId, name),
    db
      .prepare('DELETE FROM subtitles WHERE video_id = ? AND name = ? RETURNING object_key')
      .bind(videoId, name),
  ]);
  return results[1]?.results[0]?.object_key;
}

export async function subtitleById(db: D1Database, id: string): Promise<SubtitleRow | undefined> {
  return (
    (await db.prepare('SELECT * FROM subtitles WHERE id = ?').bind(id).first<SubtitleRow>()) ?? undefined
  );
}

/** Those of each of these videos, by video id, oldest first. */
export async function subtitlesOf(db: D1Database, videoIds: string[]): Promise<Map<string, SubtitleInfo[]>> {
  const { results } = await db
    .prepare(
      'SELECT * FROM subtitles WHERE video_id IN (SELECT value FROM json_each(?)) ORDER BY video_id, version',
    )
    .bind(JSON.stringify(videoIds))
    .all<SubtitleRow & { video_id: string }>();
  const byVideo = new Map<string, SubtitleInfo[]>();
  for (const row of results) {
    byVideo.set(row.video_id, [...(byVideo.get(row.video_id) ?? []), renderSubtitle(row)]);
  }
  return byVideo;
}

export function renderSubtitle(row: SubtitleRow): SubtitleInfo {
  return {
    name: row.name,
    language: row.language,
    label: row.label,
    isDefault: row.is_default === 1,
    isForced: row.is_forced === 1,
    isCaptions: row.is_captions === 1,
    origin: 'upload',
  };
}
