// Cancelling: by the owner one job, with a video all of them.
import { AppError } from '../../shared/errors.ts';
import { endJobStatements } from './end-job.ts';

const DETAIL = 'The job was cancelled before it finished.';

/** Ends every open job of a video that is being deleted, for the batch that marks it so. */
export function cancelJobsStatements(db: D1Database, videoId: string): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `UPDATE jobs SET state = 'cancelled', error_code = 'job_cancelled', error_detail = ?, finished_at = unixepoch()
         WHERE video_id = ? AND state IN ('queued', 'running')`,
      )
      .bind(DETAIL, videoId),
    db
      .prepare(
        `UPDATE tasks SET state = 'cancelled', lease_until = 0, worker_id = NULL
         WHERE job_id IN (SELECT id FROM jobs WHERE video_id = ? AND state = 'cancelled')
           AND state IN ('blocked', 'ready', 'running')`,
      )
      .bind(videoId),
  ];
}

/** @throws AppError job_finished where there is nothing left to cancel; a cancelled job stays cancelled. */
export async function cancelJob(db: D1Database, jobId: string): Promise<void> {
  // Safe to repeat without a token: a video that a newer job works on is left alone.
  const always = { sql: '1', params: [] };
  const results = await db.batch<{ state: string }>([
    ...endJobStatements(db, jobId, { state: 'cancelled', code: 'job_cancelled', detail: DETAIL }, always),
    db.prepare('SELECT state FROM jobs WHERE id = ?').bind(jobId),
  ]);
  const state = results.at(-1)?.results[0]?.state;
  if (state === undefined) throw new AppError('not_found');
  if (state !== 'cancelled') {
    throw new AppError('job_finished', { detail: `The job has ${state}; there is nothing to cancel.` });
  }
}
