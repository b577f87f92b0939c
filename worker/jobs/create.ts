// The birth of a job, as statements for the batch of whatever causes it.
import type { PlanOptions } from '../../shared/plan.ts';
import type { Guard } from './guard.ts';
import { ticketStatement } from './outbox.ts';

export type NewJob = {
  jobId: string;
  videoId: string;
  ownerId: string;
  options: PlanOptions;
  source: { key: string; etag: string; sizeBytes: number };
  outputPrefix: string;
};

/**
 * Inserts the job, its `plan` task and a ticket, and moves the video to `processing` unless it has something
 * published. Every statement holds `guard`; running the batch again changes nothing.
 */
export function createJobStatements(db: D1Database, job: NewJob, guard: Guard): D1PreparedStatement[] {
  // A repeat after the job has moved on must not touch the video again.
  const isQueued: Guard = {
    sql: `EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = 'queued') AND (${guard.sql})`,
    params: [job.jobId, ...guard.params],
  };
  return [
    db
      .prepare(
        `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, output_prefix)
         SELECT ?, ?, ?, 'transcode', 'queued', coalesce((SELECT max(seq) FROM jobs WHERE video_id = ?), 0) + 1, ?, ?, ?, ?, ?
         WHERE (${guard.sql})
         ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        job.jobId,
        job.videoId,
        job.ownerId,
        job.videoId,
        JSON.stringify(job.options),
        job.source.key,
        job.source.etag,
        job.source.sizeBytes,
        job.outputPrefix,
        ...guard.params,
      ),
    db
      .prepare(
        `INSERT INTO tasks (job_id, name, kind, idx, state, not_before)
         SELECT ?, 'plan', 'plan', 0, 'ready', unixepoch() WHERE ${isQueued.sql}
         ON CONFLICT (job_id, name) DO NOTHING`,
      )
      .bind(job.jobId, ...isQueued.params),
    ticketStatement(db, { id: `ticket:${job.jobId}:created`, jobId: job.jobId }, isQueued),
    db
      .prepare(
        `UPDATE videos SET state = 'processing', error_code = NULL, error_detail = NULL
         WHERE id = ? AND state NOT IN ('playable', 'ready', 'deleting') AND ${isQueued.sql}`,
      )
      .bind(job.videoId, ...isQueued.params),
  ];
}
