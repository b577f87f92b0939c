// What the end of a job without success does to its tasks and its video.
import { type ErrorCode, isMediaError } from '../../shared/errors.ts';
import { eventStatement } from '../webhooks/events.ts';
import type { Guard } from './guard.ts';
import { abandonStatement } from './stale-generations.ts';

export type JobEnd = { state: 'failed' | 'cancelled'; code: ErrorCode; detail: string };

/**
 * Ends an open job where `guard` holds. Its open tasks become `cancelled`, so that whoever works on them
 * loses the lease. What grew of it is closed; a copy that is whole stays, unless the file itself is at fault. Its
 * video fails unless something of it can be played or a newer job works on it.
 */
export function endJobStatements(
  db: D1Database,
  jobId: string,
  end: JobEnd,
  guard: Guard,
): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `UPDATE jobs SET state = ?, error_code = ?, error_detail = ?, finished_at = unixepoch()
         WHERE id = ? AND state IN ('queued', 'running') AND (${guard.sql})`,
      )
      .bind(end.state, end.code, end.detail, jobId, ...guard.params),
    db
      .prepare(
        `UPDATE growths SET closed_at = unixepoch()
         WHERE job_id = ? AND closed_at IS NULL AND (kind = 'early' OR completed_at IS NULL OR ?)
           AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = ?) AND (${guard.sql})`,
      )
      .bind(jobId, isFileAtFault(end) ? 1 : 0, jobId, end.state, ...guard.params),
    db
      .prepare(
        `UPDATE videos SET state = 'failed', error_code = ?, error_detail = ?
         WHERE state NOT IN ('ready', 'deleting')
           AND NOT (state = 'playable' AND EXISTS (SELECT 1 FROM growths g WHERE g.video_id = videos.id AND g.closed_at IS NULL))
           AND id = (SELECT video_id FROM jobs WHERE id = ? AND state = ?)
           AND NOT EXISTS (SELECT 1 FROM jobs newer JOIN jobs ended ON newer.video_id = ended.video_id
                           WHERE ended.id = ? AND newer.seq > ended.seq)
           AND (${guard.sql})`,
      )
      .bind(end.code, end.detail, jobId, end.state, jobId, ...guard.params),
    // An import's bytes are an upload that nothing will come of; the cron of the uploads deletes them.
    db
      .prepare(
        `UPDATE uploads SET state = 'rejected', error_code = ?, error_detail = ?, has_leftovers = 1
         WHERE id = (SELECT upload_id FROM imports WHERE job_id = ?) AND state IN ('created', 'receiving')
           AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = ?) AND (${guard.sql})`,
      )
      .bind(end.code, end.detail, jobId, jobId, end.state, ...guard.params),
    db
      .prepare(
        `UPDATE tasks SET state = 'cancelled', lease_until = 0, worker_id = NULL
         WHERE job_id = ? AND state IN ('blocked', 'ready', 'running')
           AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = ?) AND (${guard.sql})`,
      )
      .bind(jobId, jobId, end.state, ...guard.params),
    abandonStatement(db, jobId, guard),
    ...endEvents(db, jobId, end, guard),
  ];
}

function endEvents(db: D1Database, jobId: string, end: JobEnd, guard: Guard): D1PreparedStatement[] {
  const { code, detail } = end;
  const event = { key: jobId, about: { jobId }, data: { jobId, error: { code, detail } } };
  const hasEnded = `EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = ?) AND (${guard.sql})`;
  const params = [jobId, end.state, ...guard.params];
  const hasFailedVideo = `EXISTS (SELECT 1 FROM jobs j JOIN videos v ON v.id = j.video_id
    WHERE j.id = ? AND v.state = 'failed' AND j.seq = (SELECT max(seq) FROM jobs WHERE video_id = v.id))`;
  return [
    eventStatement(db, { ...event, type: `job.${end.state}` }, { sql: hasEnded, params }),
    eventStatement(
      db,
      { ...event, type: 'video.failed' },
      { sql: `${hasFailedVideo} AND ${hasEnded}`, params: [jobId, ...params] },
    ),
  ];
}

/** What is wrong with the file is wrong with a copy of it; and whoever cancels wants nothing of it. */
function isFileAtFault({ state, code }: JobEnd): boolean {
  return state === 'cancelled' || code === 'upload_checksum_mismatch' || isMediaError(code);
}
