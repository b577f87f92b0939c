// Reading jobs. A row carries the counts of its tasks, so that one query renders it.
import type { JobState, TaskState } from '../../shared/states.ts';

export type JobRow = {
  id: string;
  video_id: string;
  owner_id: string;
  kind: 'transcode';
  state: JobState;
  seq: number;
  options: string;
  source_key: string;
  source_etag: string;
  source_bytes: number;
  output_prefix: string;
  profile: string | null;
  plan: string | null;
  total_frames: number | null;
  segment_frames: number | null;
  error_code: string | null;
  error_detail: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  pruned_at: number | null;
  tasks_total: number;
  tasks_done: number;
  frames_done: number;
  finish_state: TaskState | null;
};

/** Frames of a chunk that are durable for certain: the task's row as SQL. */
export const DURABLE_FRAMES_SQL = `CASE WHEN t.state = 'done' THEN t.frames
  ELSE min(t.frames, t.mark * coalesce(j.segment_frames, 0)) END`;

const SELECT_JOB = `
  SELECT j.*,
    (SELECT count(*) FROM tasks t WHERE t.job_id = j.id) AS tasks_total,
    (SELECT count(*) FROM tasks t WHERE t.job_id = j.id AND t.state = 'done') AS tasks_done,
    (SELECT coalesce(sum(${DURABLE_FRAMES_SQL}), 0) FROM tasks t WHERE t.job_id = j.id AND t.kind = 'chunk') AS frames_done,
    (SELECT t.state FROM tasks t WHERE t.job_id = j.id AND t.name = 'finish') AS finish_state
  FROM jobs j`;

/** An owner's job; null for another's as for none. */
export function jobOf(db: D1Database, jobId: string, ownerId: string): Promise<JobRow | null> {
  return db.prepare(`${SELECT_JOB} WHERE j.id = ? AND j.owner_id = ?`).bind(jobId, ownerId).first<JobRow>();
}

/** A job whoever owns it: for callers whose right to it is settled (a ticket, a job token). */
export function jobById(db: D1Database, jobId: string): Promise<JobRow | null> {
  return db.prepare(`${SELECT_JOB} WHERE j.id = ?`).bind(jobId).first<JobRow>();
}

/** The newest job of a video the caller has already been allowed to see. */
export function latestJobOf(db: D1Database, videoId: string): Promise<JobRow | null> {
  return db
    .prepare(`${SELECT_JOB} WHERE j.video_id = ? ORDER BY j.seq DESC LIMIT 1`)
    .bind(videoId)
    .first<JobRow>();
}

/** Frames each chunk has and how many are durable. */
export async function chunkFrames(
  db: D1Database,
  jobId: string,
): Promise<Record<string, { frames: number; framesDone: number }>> {
  const rows = await db
    .prepare(
      `SELECT t.name, t.frames, ${DURABLE_FRAMES_SQL} AS framesDone
       FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.job_id = ? AND t.kind = 'chunk'`,
    )
    .bind(jobId)
    .all<{ name: string; frames: number; framesDone: number }>();
  return Object.fromEntries(rows.results.map(({ name, ...frames }) => [name, frames]));
}
