// Generations that no new session is given: an older ladder, the copy of a video that is ready, what a failed job
// has left. Sessions on them go on to their end; then the objects are deleted, and with the last of a job its work.
import { DAY_SECONDS, MINUTE_SECONDS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { instantPrefix, workPrefix } from '../../shared/object-keys.ts';
import type { Env } from '../env.ts';
import { deletePrefix } from '../r2.ts';
import type { Guard } from './guard.ts';

/** No token lives longer, so by then every session on it has been renewed or is over. */
const KEPT_SECONDS = DAY_SECONDS;
const MAX_REMOVED = 10;
const RETRY_SECONDS = 5 * MINUTE_SECONDS;
/** Thousands of objects one generation may cost a run; the next run goes on. */
const LISTS_PER_PREFIX = 20;

/** For the batch that publishes a job: its copy and everything older of its video. */
export function supersedeStatement(db: D1Database, jobId: string, guard: Guard): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO stale_generations (job_id, part, due_at)
       SELECT o.id, part.value, unixepoch() + ${KEPT_SECONDS}
       FROM jobs j JOIN videos v ON v.id = j.video_id JOIN jobs o ON o.video_id = v.id
       JOIN json_each('["ladder","instant"]') part
       WHERE j.id = ? AND o.state IN ('succeeded', 'failed', 'cancelled') AND o.started_at IS NOT NULL
         AND (part.value = 'instant' OR o.id <> v.published_job) AND (${guard.sql})
       ON CONFLICT (job_id, part) DO NOTHING`,
    )
    .bind(jobId, ...guard.params);
}

/** For the batch that ends a job without success, after its growths were closed; a copy still open is kept. */
export function abandonStatement(db: D1Database, jobId: string, guard: Guard): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO stale_generations (job_id, part, due_at)
       SELECT j.id, part.value, unixepoch() + ${KEPT_SECONDS}
       FROM jobs j JOIN json_each('["ladder","instant"]') part
       WHERE j.id = ? AND j.state IN ('failed', 'cancelled') AND j.started_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM growths g
                         WHERE g.job_id = j.id AND g.kind = part.value AND g.closed_at IS NULL)
         AND (${guard.sql})
       ON CONFLICT (job_id, part) DO NOTHING`,
    )
    .bind(jobId, ...guard.params);
}

type StaleRow = {
  jobId: string;
  part: 'ladder' | 'instant';
  videoId: string;
  outputPrefix: string;
  publishedPrefix: string | null;
};

/** Deletes what is due. @returns how many generations are gone */
export async function removeStaleGenerations(env: Env, log: Log): Promise<number> {
  const { results } = await env.DB.prepare(
    `SELECT s.job_id AS jobId, s.part, j.video_id AS videoId, j.output_prefix AS outputPrefix,
       v.output_prefix AS publishedPrefix
     FROM stale_generations s JOIN jobs j ON j.id = s.job_id JOIN videos v ON v.id = j.video_id
     WHERE s.due_at <= unixepoch() ORDER BY s.due_at LIMIT ${MAX_REMOVED}`,
  ).all<StaleRow>();
  let removed = 0;
  for (const row of results) {
    try {
      if (await removeOne(env, row)) removed++;
    } catch (error) {
      log.warn('generation.removal_failed', { jobId: row.jobId, part: row.part, ...errorFields(error) });
      await postpone(env.DB, row);
    }
  }
  return removed;
}

/** One that fails every time must not hold up those behind it. */
async function postpone(db: D1Database, { jobId, part }: StaleRow): Promise<void> {
  await db
    .prepare(
      `UPDATE stale_generations SET due_at = unixepoch() + ${RETRY_SECONDS} WHERE job_id = ? AND part = ?`,
    )
    .bind(jobId, part)
    .run();
}

async function removeOne(env: Env, row: StaleRow): Promise<boolean> {
  const { jobId, part, videoId, outputPrefix, publishedPrefix } = row;
  const prefix = part === 'instant' ? instantPrefix(outputPrefix) : outputPrefix;
  // Nothing lists a published generation here; were one listed, deleting it could not be taken back.
  if (prefix === publishedPrefix) throw new Error('a published generation is not stale');
  const { lastEnd } = (await env.DB.prepare(
    `SELECT max(expires_at) AS lastEnd FROM sessions
     WHERE video_id = ? AND output_prefix = ? AND revoked_at IS NULL AND expires_at > unixepoch()`,
  )
    .bind(videoId, prefix)
    .first<{ lastEnd: number | null }>()) ?? { lastEnd: null };
  if (lastEnd !== null) {
    await env.DB.prepare('UPDATE stale_generations SET due_at = ? WHERE job_id = ? AND part = ?')
      .bind(lastEnd, jobId, part)
      .run();
    return false;
  }
  // Before the objects: an expired session must not come back to what is half gone.
  await env.DB.prepare(
    `UPDATE sessions SET revoked_at = unixepoch() WHERE video_id = ? AND output_prefix = ? AND revoked_at IS NULL`,
  )
    .bind(videoId, prefix)
    .run();
  const prefixes = (await isLastOfJob(env.DB, row, prefix)) ? [prefix, workPrefix(jobId)] : [prefix];
  for (const gone of prefixes) {
    if (!(await deletePrefix(env.MEDIA, gone, LISTS_PER_PREFIX))) return false;
  }
  await env.DB.batch([
    env.DB.prepare('DELETE FROM growths WHERE prefix = ?').bind(prefix),
    env.DB.prepare(`DELETE FROM content_keys WHERE job_id = ? AND ? = 'ladder'`).bind(jobId, part),
    env.DB.prepare('DELETE FROM stale_generations WHERE job_id = ? AND part = ?').bind(jobId, part),
  ]);
  return true;
}

/** Whether nothing else of the job is left to play, whose lists may be made of its work. */
async function isLastOfJob(db: D1Database, { jobId, part }: StaleRow, prefix: string): Promise<boolean> {
  const row = await db
    .prepare(
      `SELECT 1 FROM jobs j JOIN videos v ON v.id = j.video_id
       WHERE j.id = ? AND v.published_job IS NOT j.id
         AND NOT EXISTS (SELECT 1 FROM stale_generations o WHERE o.job_id = j.id AND o.part <> ?)
         AND NOT EXISTS (SELECT 1 FROM growths g WHERE g.job_id = j.id AND g.prefix <> ?)`,
    )
    .bind(jobId, part, prefix)
    .first();
  return row !== null;
}
