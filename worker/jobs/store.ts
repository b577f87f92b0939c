// Reading jobs. A row carries the counts of its tasks, so that one query renders it.
import type { RowPlace } from '../../shared/page-cursor.ts';
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
  source_sha256: string | null;
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
  receipt: string | null;
  /** What of it can be watched before it ends, and what could be and was closed. */
  growths_open: number;
  growths_closed: number;
  tasks_total: number;
  tasks_done: number;
  frames_done: number;
  finish_state: TaskState | null;
  /** Of a job that fetches its source: null for others, and once the tasks are pruned. */
  import_state: TaskState | null;
  /** 0 while unknown. */
  import_bytes: number | null;
  import_bytes_done: number | null;
};

/** What progress counts: chunks, or the sound of a job that has nothing else. */
const COUNTS_FRAMES_SQL = `t.kind IN ('chunk', 'audio') AND t.frames > 0`;

/** Frames of a chunk that are durable for certain: the task's row as SQL. */
export const DURABLE_FRAMES_SQL = `CASE WHEN t.state = 'done' THEN t.frames
  ELSE min(t.frames, t.mark * coalesce(j.segment_frames, 0)) END`;

function selectJobs(condition: string): string {
  return `
    SELECT j.*,
      (SELECT count(*) FROM growths g WHERE g.job_id = j.id AND g.closed_at IS NULL) AS growths_open,
      (SELECT count(*) FROM growths g WHERE g.job_id = j.id AND g.closed_at IS NOT NULL) AS growths_closed,
      coalesce(sum(t.kind <> 'instant'), 0) AS tasks_total,
      coalesce(sum(t.state = 'done' AND t.kind <> 'instant'), 0) AS tasks_done,
      coalesce(sum(CASE WHEN ${COUNTS_FRAMES_SQL} THEN ${DURABLE_FRAMES_SQL} END), 0) AS frames_done,
      max(CASE WHEN t.name = 'finish' THEN t.state END) AS finish_state,
      max(CASE WHEN t.name = 'import' THEN t.state END) AS import_state,
      u.size_bytes AS import_bytes,
      max(CASE WHEN t.name = 'import' THEN min(u.size_bytes, t.mark * u.part_bytes) END) AS import_bytes_done
    FROM jobs j LEFT JOIN tasks t ON t.job_id = j.id
    LEFT JOIN imports i ON i.job_id = j.id LEFT JOIN uploads u ON u.id = i.upload_id
    WHERE ${condition} GROUP BY j.id`;
}

/** An owner's job; null for another's as for none. */
export function jobOf(db: D1Database, jobId: string, ownerId: string): Promise<JobRow | null> {
  return db.prepare(selectJobs('j.id = ? AND j.owner_id = ?')).bind(jobId, ownerId).first<JobRow>();
}

/** A job whoever owns it: for callers whose right to it is settled (a ticket, a job token). */
export function jobById(db: D1Database, jobId: string): Promise<JobRow | null> {
  return db.prepare(selectJobs('j.id = ?')).bind(jobId).first<JobRow>();
}

export type JobFilter = {
  state?: JobState | undefined;
  after?: RowPlace | undefined;
  limit: number;
};

/** Newest first, at most `limit` rows after the given one, each with its video's title. */
export async function listedJobs(
  db: D1Database,
  ownerId: string,
  { state, after, limit }: JobFilter,
): Promise<(JobRow & { video_title: string })[]> {
  const isOnPage = `j.id IN (
    SELECT o.id FROM jobs o JOIN videos v ON v.id = o.video_id
    WHERE o.owner_id = ?1 AND v.state <> 'deleting' AND (?2 IS NULL OR o.state = ?2)
      AND (?3 IS NULL OR (o.created_at, o.id) < (?3, ?4))
    ORDER BY o.created_at DESC, o.id DESC LIMIT ?5)`;
  const { results } = await db
    .prepare(
      `SELECT p.*, v.title AS video_title FROM (${selectJobs(isOnPage)}) p JOIN videos v ON v.id = p.video_id
       ORDER BY p.created_at DESC, p.id DESC`,
    )
    .bind(ownerId, state ?? null, after?.createdAt ?? null, after?.id ?? null, limit)
    .all<JobRow & { video_title: string }>();
  return results;
}

/** The newest job of a video the caller has already been allowed to see. */
export async function latestJobOf(db: D1Database, videoId: string): Promise<JobRow | undefined> {
  return (await latestJobsOf(db, [videoId])).get(videoId);
}

/** The newest job of each of these videos, by video id. */
export async function latestJobsOf(db: D1Database, videoIds: string[]): Promise<Map<string, JobRow>> {
  const isLatest = 'j.seq = (SELECT max(seq) FROM jobs WHERE video_id = j.video_id)';
  const { results } = await db
    .prepare(selectJobs(`j.video_id IN (SELECT value FROM json_each(?)) AND ${isLatest}`))
    .bind(JSON.stringify(videoIds))
    .all<JobRow>();
  return new Map(results.map((row) => [row.video_id, row]));
}

/** Frames each chunk has and how many are durable. */
export async function chunkFrames(
  db: D1Database,
  jobId: string,
): Promise<Record<string, { frames: number; framesDone: number }>> {
  const rows = await db
    .prepare(
      `SELECT t.name, t.frames, ${DURABLE_FRAMES_SQL} AS framesDone
       FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.job_id = ? AND ${COUNTS_FRAMES_SQL}`,
    )
    .bind(jobId)
    .all<{ name: string; frames: number; framesDone: number }>();
  return Object.fromEntries(rows.results.map(({ name, ...frames }) => [name, frames]));
}
