// SQL of what may be watched while it is being made.
import type { Protection } from '../../shared/protection.ts';
import type { JobState, VideoState } from '../../shared/states.ts';
import { eventStatement } from '../webhooks/events.ts';
import type { GrowthTask, Shown } from './growth-rule.ts';

export type GrowthKind = 'instant' | 'early';

export type Growth = {
  prefix: string;
  jobId: string;
  kind: GrowthKind;
  shown: Shown;
  isComplete: boolean;
  isClosed: boolean;
};

export type GrowingJob = {
  state: JobState;
  videoId: string;
  videoState: VideoState;
  outputPrefix: string;
  protection: Protection | null;
  /** PlanSummary as stored; null until there is one. */
  plan: string | null;
  /** D1's clock, Unix seconds. */
  now: number;
};

const GROWTH = `g.prefix, g.job_id AS jobId, g.kind, g.shown, g.shown_at AS shownAt, g.drip_seconds AS dripSeconds,
  g.completed_at IS NOT NULL AS isComplete, g.closed_at IS NOT NULL AS isClosed`;

const TASKS = `SELECT kind, idx, segments, mark, state, started_at AS startedAt, finished_at AS finishedAt
  FROM tasks WHERE kind IN ('chunk', 'audio', 'instant') AND job_id =`;

type GrowthRow = Pick<Growth, 'prefix' | 'jobId' | 'kind'> & {
  shown: number;
  shownAt: number;
  dripSeconds: number;
  isComplete: number;
  isClosed: number;
};

/** All that decides over a job's growth, as of one instant. */
export async function growingJob(
  db: D1Database,
  jobId: string,
): Promise<{ job: GrowingJob; tasks: GrowthTask[]; growths: Growth[] } | undefined> {
  const [jobs, tasks, growths] = await db.batch([
    db
      .prepare(
        `SELECT j.state, j.video_id AS videoId, v.state AS videoState, j.output_prefix AS outputPrefix, j.plan,
           j.options ->> '$.protection' AS protection, unixepoch() AS now
         FROM jobs j JOIN videos v ON v.id = j.video_id WHERE j.id = ?`,
      )
      .bind(jobId),
    db.prepare(`${TASKS} ?`).bind(jobId),
    db.prepare(`SELECT ${GROWTH} FROM growths g WHERE g.job_id = ?`).bind(jobId),
  ]);
  const job = jobs?.results[0] as GrowingJob | undefined;
  if (!job) return undefined;
  return {
    job,
    tasks: (tasks?.results ?? []) as GrowthTask[],
    growths: ((growths?.results ?? []) as GrowthRow[]).map(growthOf),
  };
}

/** What grows, or grew, under an object prefix. */
export async function growthAt(
  db: D1Database,
  prefix: string,
): Promise<{ growth: Growth; jobState: JobState; tasks: GrowthTask[]; now: number } | undefined> {
  const [growths, tasks] = await db.batch([
    db
      .prepare(
        `SELECT ${GROWTH}, j.state AS jobState, unixepoch() AS now
         FROM growths g JOIN jobs j ON j.id = g.job_id WHERE g.prefix = ?`,
      )
      .bind(prefix),
    db.prepare(`${TASKS} (SELECT job_id FROM growths WHERE prefix = ?)`).bind(prefix),
  ]);
  const row = growths?.results[0] as (GrowthRow & { jobState: JobState; now: number }) | undefined;
  if (!row) return undefined;
  const { jobState, now } = row;
  return { growth: growthOf(row), jobState, now, tasks: (tasks?.results ?? []) as GrowthTask[] };
}

/** What new sessions of a video that is not published may be given, the best first. */
export async function playableGrowths(db: D1Database, videoId: string): Promise<Growth[]> {
  const { results } = await db
    .prepare(
      `SELECT ${GROWTH} FROM growths g JOIN videos v ON v.id = g.video_id
       WHERE g.video_id = ? AND v.state = 'playable' AND g.closed_at IS NULL
       ORDER BY g.kind = 'instant' DESC, g.announced_at DESC`,
    )
    .bind(videoId)
    .all<GrowthRow>();
  return results.map(growthOf);
}

/** Whether this call was the one that announced it. A video that has something published is never announced. */
export async function announce(
  db: D1Database,
  growth: { prefix: string; jobId: string; kind: GrowthKind; shown: Shown },
): Promise<boolean> {
  const { prefix, jobId, kind, shown } = growth;
  const [inserted] = await db.batch([
    db
      .prepare(
        `INSERT INTO growths (prefix, job_id, video_id, kind, shown, shown_at, drip_seconds)
         SELECT ?, j.id, v.id, ?, ?, ?, ? FROM jobs j JOIN videos v ON v.id = j.video_id
         WHERE j.id = ? AND j.state = 'running' AND v.state IN ('processing', 'playable') AND v.published_job IS NULL
         ON CONFLICT (prefix) DO NOTHING RETURNING prefix`,
      )
      .bind(prefix, kind, shown.segments, shown.at, shown.dripSeconds, jobId),
    db
      .prepare(
        `UPDATE videos SET state = 'playable'
         WHERE id = (SELECT video_id FROM growths WHERE prefix = ? AND closed_at IS NULL) AND state = 'processing'`,
      )
      .bind(prefix),
    // Once for a job: the ladder after the copy is no news.
    eventStatement(
      db,
      { type: 'video.playable', key: jobId, about: { jobId }, data: { jobId } },
      {
        sql: `EXISTS (SELECT 1 FROM growths g JOIN videos v ON v.id = g.video_id
                      WHERE g.prefix = ? AND g.closed_at IS NULL AND v.state = 'playable')`,
        params: [prefix],
      },
    ),
  ]);
  return (inserted?.results.length ?? 0) > 0;
}

export async function saveShown(db: D1Database, prefix: string, { segments, at }: Shown): Promise<void> {
  await db
    .prepare('UPDATE growths SET shown = ?1, shown_at = ?2 WHERE prefix = ?3 AND shown < ?1')
    .bind(segments, at, prefix)
    .run();
}

export async function markComplete(db: D1Database, prefix: string): Promise<void> {
  await db
    .prepare('UPDATE growths SET completed_at = unixepoch() WHERE prefix = ? AND completed_at IS NULL')
    .bind(prefix)
    .run();
}

/** Closes a copy that will not be finished; a video with nothing else to watch is not playable any more. */
export async function closeInstant(db: D1Database, prefix: string): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE growths SET closed_at = unixepoch()
         WHERE prefix = ? AND completed_at IS NULL AND closed_at IS NULL`,
      )
      .bind(prefix),
    db
      .prepare(
        `UPDATE videos SET state = 'processing'
         WHERE id = (SELECT video_id FROM growths WHERE prefix = ?) AND state = 'playable'
           AND NOT EXISTS (SELECT 1 FROM growths o WHERE o.video_id = videos.id AND o.closed_at IS NULL)`,
      )
      .bind(prefix),
  ]);
}

/** Running jobs of which nothing is announced, those first that were not looked at for longest. */
export async function unannouncedJobs(db: D1Database, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      `UPDATE jobs SET look_at = unixepoch() WHERE id IN (
         SELECT id FROM jobs INDEXED BY jobs_unannounced
         WHERE state IN ('queued', 'running') AND plan IS NOT NULL AND look_at IS NOT NULL
         ORDER BY look_at, created_at LIMIT ?)
       RETURNING id`,
    )
    .bind(limit)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

/** A job being watched goes before others of its rank. */
export async function noteWatched(db: D1Database, jobId: string, seconds: number): Promise<void> {
  await db
    .prepare(
      `UPDATE jobs SET watched_until = unixepoch() + ?
       WHERE id = ? AND state = 'running' AND watched_until < unixepoch() + ?`,
    )
    .bind(seconds, jobId, seconds / 2)
    .run();
}

function growthOf(row: GrowthRow): Growth {
  const { prefix, jobId, kind, shown, shownAt, dripSeconds } = row;
  return {
    ...{ prefix, jobId, kind },
    shown: { segments: shown, at: shownAt, dripSeconds },
    isComplete: row.isComplete === 1,
    isClosed: row.isClosed === 1,
  };
}
