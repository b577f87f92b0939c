// Trying a failed job again: always a new job with a new generation, since an ended job never changes.

import type { VideoKind } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { generationPrefix } from '../../shared/object-keys.ts';
import { PlanOptions } from '../../shared/plan.ts';
import { isTerminal } from '../../shared/states.ts';
import { createJobStatements, isFreeFor, type NewJob } from './create.ts';
import { importAgain } from './imports.ts';
import type { JobRow } from './store.ts';

/**
 * Creates a job with the options and source of one that failed or was cancelled.
 *
 * @throws AppError job_not_finished, job_finished (it succeeded) or video_busy (another job has begun since, or the
 * source is gone).
 */
export async function retryJob(
  db: D1Database,
  row: JobRow,
  jobId: string,
  traceparent?: string,
): Promise<void> {
  if (!isTerminal(row.state)) throw new AppError('job_not_finished');
  if (row.state === 'succeeded') {
    throw new AppError('job_finished', { detail: 'The job has succeeded; there is nothing to retry.' });
  }
  const video = await db
    .prepare('SELECT kind, content_id FROM videos WHERE id = ?')
    .bind(row.video_id)
    .first<{ kind: VideoKind; content_id: string | null }>();
  if (!video) throw new AppError('not_found');

  const job = {
    jobId,
    traceparent,
    videoId: row.video_id,
    ownerId: row.owner_id,
    options: PlanOptions.parse(JSON.parse(row.options)),
    source: {
      key: row.source_key,
      etag: row.source_etag,
      sizeBytes: row.source_bytes,
      sha256: row.source_sha256 ?? undefined,
    },
    outputPrefix: generationPrefix(video.kind, video.content_id ?? row.video_id, jobId),
  };
  // A job that failed before its source was here fetches it again.
  const isCreated = row.source_etag === '' ? importAgain(db, row.id, job) : createOn(db, job);
  if (!(await isCreated)) {
    throw new AppError('video_busy', {
      detail: 'Another job of this video is at work, or its source is gone.',
    });
  }
}

async function createOn(db: D1Database, job: NewJob): Promise<boolean> {
  const results = await db.batch([
    ...createJobStatements(db, job, isFreeFor(job)),
    db.prepare('SELECT 1 FROM jobs WHERE id = ?').bind(job.jobId),
  ]);
  return results.at(-1)!.results.length > 0;
}
