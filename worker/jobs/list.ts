// An owner's jobs, newest first, and the tasks of one.
import type { JobList, JobTask, ListedJob } from '../../shared/job-api.ts';
import { pageOf, placeIn } from '../../shared/page-cursor.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { JobState, TaskKind, TaskState } from '../../shared/states.ts';
import { renderJob } from './render.ts';
import { type JobRow, listedJobs } from './store.ts';

export type JobPage = { limit: number; state?: JobState | undefined; cursor?: string | undefined };

/** Jobs of videos that are being deleted are gone with them. */
export async function jobsOf(
  db: D1Database,
  ownerId: string,
  { limit, state, cursor }: JobPage,
): Promise<JobList> {
  const rows = await listedJobs(db, ownerId, { state, after: placeIn(cursor), limit: limit + 1 });
  const { page, next } = pageOf(rows, limit);
  return { jobs: page.map(listed), ...next };
}

function listed(row: JobRow & { video_title: string }): ListedJob {
  const { receipt: _, ...job } = renderJob(row);
  return { ...job, videoTitle: row.video_title };
}

type TaskRow = {
  name: string;
  kind: TaskKind;
  state: TaskState;
  segments: number;
  mark: number;
  epoch: number;
  stalls: number;
  crashes: number;
  is_waiting: number;
  not_before: number;
  started_at: number | null;
  finished_at: number | null;
};

/** In the order in which they are worked on. */
export async function tasksOf(db: D1Database, jobId: string): Promise<JobTask[]> {
  const { results } = await db
    .prepare(
      `SELECT name, kind, state, segments, mark, epoch, stalls, crashes, not_before, started_at, finished_at,
         state = 'ready' AND not_before > unixepoch() AS is_waiting
       FROM tasks WHERE job_id = ?
       ORDER BY CASE kind WHEN 'import' THEN 0 WHEN 'plan' THEN 1 WHEN 'instant' THEN 2 WHEN 'finish' THEN 9
         ELSE 3 END, kind = 'text', kind = 'audio', idx`,
    )
    .bind(jobId)
    .all<TaskRow>();
  return results.map(renderTask);
}

function renderTask(row: TaskRow): JobTask {
  const { name, kind, state, segments, mark } = row;
  return {
    ...{ name, kind, state },
    attempts: row.epoch,
    setbacks: row.stalls + row.crashes,
    ...(segments > 0 && { segments: { done: state === 'done' ? segments : mark, total: segments } }),
    ...(row.is_waiting && { waitsUntil: rfc3339(row.not_before) }),
    ...(row.started_at !== null && { startedAt: rfc3339(row.started_at) }),
    ...(row.finished_at !== null && { finishedAt: rfc3339(row.finished_at) }),
  };
}
