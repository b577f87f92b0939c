// Deleting in two steps: the id is gone at once, the objects follow. The rows go last, as long as anything is
// left in R2 they say where.
import { DAY_SECONDS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { instantPrefix, sourcePrefix, workPrefix } from '../../shared/object-keys.ts';
import { isTerminal } from '../../shared/states.ts';
import { configOf, type Env } from '../env.ts';
import { cancelJobsStatements } from '../jobs/cancel.ts';
import { announceJob } from '../jobs/room-client.ts';
import { latestJobOf } from '../jobs/store.ts';
import { abortMultipart, deletePrefix } from '../r2.ts';
import { drainEvents } from '../webhooks/deliver.ts';
import { eventStatement } from '../webhooks/events.ts';
import { lookAgain, rememberStatement } from './purged.ts';
import { videoOf } from './store.ts';

/**
 * Marks a video as deleted; its objects go in the background.
 *
 * @throws AppError `not_found`
 */
export async function deleteVideo(
  env: Env,
  videoId: string,
  ownerId: string,
  log: Log,
  later: (work: Promise<void>) => void,
): Promise<void> {
  const video = await videoOf(env.DB, videoId, ownerId);
  const job = await latestJobOf(env.DB, video.id);
  await env.DB.batch([
    env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ? AND owner_id = ?`).bind(
      video.id,
      ownerId,
    ),
    ...endStatements(env.DB, video.id),
    eventStatement(
      env.DB,
      { type: 'video.deleted', key: video.id, about: { videoId: video.id } },
      { sql: `EXISTS (SELECT 1 FROM videos WHERE id = ? AND state = 'deleting')`, params: [video.id] },
    ),
  ]);
  log.info('video.deleted', { videoId });
  later(
    (async () => {
      // Whoever watches the job hears of its end before the rows are gone.
      if (job && !isTerminal(job.state)) await announceJob(env, job.id, log);
      await purgeVideo(env, video.id, log);
      await drainEvents(env, log);
    })(),
  );
}

/** What ends with a video. The purge repeats it for what began at the same moment. */
function endStatements(db: D1Database, videoId: string): D1PreparedStatement[] {
  return [
    ...cancelJobsStatements(db, videoId),
    db
      .prepare(
        `UPDATE uploads SET state = 'aborted'
         WHERE video_id = ? AND state IN ('created', 'receiving', 'completing')`,
      )
      .bind(videoId),
    db
      .prepare(
        `UPDATE sessions SET revoked_at = unixepoch()
         WHERE video_id = ? AND expires_at > unixepoch() AND revoked_at IS NULL`,
      )
      .bind(videoId),
    db.prepare('DELETE FROM contents WHERE video_id = ?').bind(videoId),
  ];
}

const VIDEOS_PER_RUN = 20;
/** Thousands of objects one prefix may cost a run; the next run goes on. */
const LISTS_PER_PREFIX = 20;

/** The sweeper's part: takes every video marked as deleted as far as it can. */
export async function purgeDeleted(env: Env, log: Log): Promise<void> {
  // Whoever was tried goes to the end of the line: one that fails every time keeps no other from its turn.
  const { results } = await env.DB.prepare(
    `UPDATE videos SET swept_at = unixepoch() WHERE id IN (
       SELECT id FROM videos INDEXED BY videos_deleting WHERE state = 'deleting' ORDER BY swept_at LIMIT ?)
     RETURNING id`,
  )
    .bind(VIDEOS_PER_RUN)
    .all<{ id: string }>();
  for (const { id } of results) await purgeVideo(env, id, log);
  await lookAgain(env, log);
}

/** Removes a deleted video's objects, then its rows. Does not throw: what fails is tried again in a minute. */
export async function purgeVideo(env: Env, videoId: string, log: Log): Promise<void> {
  try {
    await env.DB.batch(endStatements(env.DB, videoId));
    const prefixes = await prefixesOf(env.DB, videoId);
    const isEmpty = await deleteObjects(env, videoId, prefixes);
    if (!isEmpty || (await mayStillBeWritten(env, videoId))) return;
    await env.DB.batch([
      rememberStatement(env.DB, prefixes, configOf(env).LEASE_SECONDS),
      ...removeStatements(env.DB, videoId),
    ]);
    log.info('video.purged', { videoId });
  } catch (error) {
    log.error('video.purge_failed', { videoId, ...errorFields(error) });
  }
}

/** Everything a video may have in R2 lies under one of these. */
async function prefixesOf(db: D1Database, videoId: string): Promise<string[]> {
  const jobs = await db
    .prepare('SELECT id, output_prefix FROM jobs WHERE video_id = ?')
    .bind(videoId)
    .all<{ id: string; output_prefix: string }>();
  return [
    sourcePrefix(videoId),
    ...jobs.results.flatMap((job) => [
      ...[workPrefix(job.id), job.output_prefix],
      instantPrefix(job.output_prefix),
    ]),
  ];
}

/** False when objects are left. */
async function deleteObjects(env: Env, videoId: string, prefixes: readonly string[]): Promise<boolean> {
  const uploads = await env.DB.prepare(
    `SELECT object_key, r2_upload_id FROM uploads
     WHERE video_id = ? AND r2_upload_id IS NOT NULL AND state <> 'accepted'`,
  )
    .bind(videoId)
    .all<{ object_key: string; r2_upload_id: string }>();
  for (const { object_key, r2_upload_id } of uploads.results) {
    await abortMultipart(env.MEDIA, object_key, r2_upload_id);
  }
  for (const prefix of prefixes) {
    if (!(await deletePrefix(env.MEDIA, prefix, LISTS_PER_PREFIX))) return false;
  }
  return true;
}

/** A transcoder notices a cancelled job at its next heartbeat; until then it may put more objects. */
async function mayStillBeWritten(env: Env, videoId: string): Promise<boolean> {
  const job = await env.DB.prepare(
    `SELECT 1 FROM jobs WHERE video_id = ? AND started_at IS NOT NULL
       AND coalesce(finished_at, unixepoch()) > unixepoch() - ? LIMIT 1`,
  )
    .bind(videoId, configOf(env).LEASE_SECONDS)
    .first();
  return job !== null;
}

function removeStatements(db: D1Database, videoId: string): D1PreparedStatement[] {
  return [
    // Deleting gives back storage, not the traffic of the day.
    `INSERT INTO upload_days (owner_id, day, bytes)
     SELECT owner_id, created_at / ${DAY_SECONDS}, sum(size_bytes) FROM uploads
     WHERE video_id = ? AND state = 'accepted' GROUP BY 1, 2
     ON CONFLICT (owner_id, day) DO UPDATE SET bytes = bytes + excluded.bytes`,
    'DELETE FROM upload_parts WHERE upload_id IN (SELECT id FROM uploads WHERE video_id = ?)',
    'DELETE FROM uploads WHERE video_id = ?',
    'DELETE FROM subtitles WHERE video_id = ?',
    'DELETE FROM qoe_sessions WHERE session_id IN (SELECT id FROM sessions WHERE video_id = ?)',
    'DELETE FROM watch_sessions WHERE video_id = ?',
    'DELETE FROM watch_days WHERE video_id = ?',
    'DELETE FROM qoe_hours WHERE video_id = ?',
    'DELETE FROM tasks WHERE job_id IN (SELECT id FROM jobs WHERE video_id = ?)',
    'DELETE FROM stale_generations WHERE job_id IN (SELECT id FROM jobs WHERE video_id = ?)',
    'DELETE FROM growths WHERE video_id = ?',
    'DELETE FROM content_keys WHERE job_id IN (SELECT id FROM jobs WHERE video_id = ?)',
    'DELETE FROM jobs WHERE video_id = ?',
    `DELETE FROM videos WHERE id = ? AND state = 'deleting'`,
  ].map((sql) => db.prepare(sql).bind(videoId));
}
