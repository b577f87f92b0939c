// Trying a failed job again: always a new job with a new generation, since an ended job never changes.

import type { VideoKind } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { generationPrefix } from '../../shared/object-keys.ts';
import { PlanOptions } from '../../shared/plan.ts';
import { isTerminal } from '../../shared/states.ts';
import { createJobStatements } from './create.ts';
import type { JobRow } from './store.ts';

/**
 * Creates a job with the options and source of one that failed or was cancelled.
 *
 * @throws AppError job_not_finished, job_finished (it succeeded) or video_busy (another job has begun since).
 */
export async function retryJob(db: D1Database, row: JobRow): Promise<{ jobId: string }> {
  if (!isTerminal(row.state)) throw new AppError('job_not_finished');
  if (row.state === 'succeeded') {
    throw new AppError('job_finished', { detail: 'The job has succeeded; there is nothing to retry.' });
  }
  const video = await db
    .prepare('SELECT kind, content_id FROM videos WHERE id = ?')
    .bind(row.video_id)
    .first<{ kind: VideoKind; content_id: string | null }>();
  if (!video) throw new AppError('not_found');

  const jobId = crypto.randomUUID();
  const job = {
    jobId,
    videoId: row.video_id,
    ownerId: row.owner_id,
    options: PlanOptions.parse(JSON.parse(row.options)),
    source: { key: row.source_key, etag: row.source_etag, sizeBytes: row.source_bytes },
    outputPrefix: generationPrefix(video.kind, video.content_id ?? row.video_id, jobId),
  };
  const isIdle = {
    sql: `EXISTS (SELECT 1 FROM videos WHERE id = ? AND state <> 'deleting')
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE video_id = ? AND state IN ('queued', 'running') AND id <> ?)`,
    params: [row.video_id, row.video_id, jobId],
  };
  const results = await db.batch([
    ...createJobStatements(db, job, isIdle),
    db.prepare('SELECT 1 FROM jobs WHERE id = ?').bind(jobId),
  ]);
  if (!results.at(-1)?.results[0]) {
    throw new AppError('video_busy', {
      detail: 'Another job of this video is at work, or the video is being deleted.',
    });
  }
  return { jobId };
}
