// The birth of a job, as statements for the batch of whatever causes it.
import type { PlanOptions } from '../../shared/plan.ts';
import type { Guard } from './guard.ts';
import { ticketStatement } from './outbox.ts';

/** `sha256` is what is still to be checked against the bytes. */
export type JobSource = { key: string; etag: string; sizeBytes: number; sha256?: string | undefined };

export type NewJob = {
  jobId: string;
  videoId: string;
  ownerId: string;
  options: PlanOptions;
  source: JobSource;
  outputPrefix: string;
  /** An import has no source yet but the key to store it under; `plan` follows when it is there. */
  firstTask?: 'plan' | 'import';
  /** Of the request that asks for it; where there is none, of the one that began the newest upload of the video. */
  traceparent?: string | undefined;
};

/** Whether a video can have one more job: it has this very source, and no other job is at work on it. */
export function isFreeFor(job: NewJob): Guard {
  return {
    sql: `EXISTS (SELECT 1 FROM videos WHERE id = ? AND source_key = ? AND state <> 'deleting')
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE video_id = ? AND id <> ? AND state IN ('queued', 'running'))`,
    params: [job.videoId, job.source.key, job.videoId, job.jobId],
  };
}

/**
 * Inserts the job, its first task and a ticket, and moves the video to `processing` (`uploading` while its source
 * is fetched) unless it has something published. Every statement holds `guard`; running the batch again changes nothing.
 */
export function createJobStatements(db: D1Database, job: NewJob, guard: Guard): D1PreparedStatement[] {
  // A repeat after the job has moved on must not touch the video again.
  const isQueued: Guard = {
    sql: `EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = 'queued') AND (${guard.sql})`,
    params: [job.jobId, ...guard.params],
  };
  const firstTask = job.firstTask ?? 'plan';
  return [
    db
      .prepare(
        `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, source_sha256, output_prefix, traceparent)
         SELECT ?, ?, ?, 'transcode', 'queued', coalesce((SELECT max(seq) FROM jobs WHERE video_id = ?), 0) + 1, ?, ?, ?, ?, ?, ?,
           coalesce(?, (SELECT traceparent FROM uploads WHERE video_id = ? ORDER BY created_at DESC LIMIT 1))
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
        job.source.sha256 ?? null,
        job.outputPrefix,
        job.traceparent ?? null,
        job.videoId,
        ...guard.params,
      ),
    db
      .prepare(
        `INSERT INTO tasks (job_id, name, kind, idx, state, not_before)
         SELECT ?, ?, ?, 0, 'ready', unixepoch() WHERE ${isQueued.sql}
         ON CONFLICT (job_id, name) DO NOTHING`,
      )
      .bind(job.jobId, firstTask, firstTask, ...isQueued.params),
    ticketStatement(db, { id: `ticket:${job.jobId}:created`, jobId: job.jobId }, isQueued),
    db
      .prepare(
        `UPDATE videos SET state = ?, error_code = NULL, error_detail = NULL
         WHERE id = ? AND state NOT IN ('playable', 'ready', 'deleting') AND ${isQueued.sql}`,
      )
      .bind(firstTask === 'import' ? 'uploading' : 'processing', job.videoId, ...isQueued.params),
  ];
}
