// The safety net under the tickets, run every minute: takes back lapsed leases, wakes transcoders for work
// whose tickets were lost, and drops what nobody needs any more. A bounded amount of work per run.
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';
import { countSwept } from '../http/meter.ts';
import { rewrapKeys } from '../keys/store.ts';
import { refuseUnserved } from './encoders.ts';
import { growWaitingJobs } from './growth.ts';
import { newToken } from './guard.ts';
import { reviseStaleManifests } from './manifest-revision.ts';
import { drainTickets, ticketStatement } from './outbox.ts';
import { reapLapsed } from './reap.ts';
import { announceJob } from './room-client.ts';
import { removeStaleGenerations } from './stale-generations.ts';
import { wakeTranscoders } from './transcoder-container.ts';

/** Work that has been ready this long gets another ticket: the first may be lost. */
const TICKET_LOST_SECONDS = 60;
const MAX_RETICKETED_JOBS = 5;
const WAITING_TASKS = 200;

const TASKS_KEPT_SECONDS = 7 * DAY_SECONDS;
const MAX_PRUNED_JOBS = 50;

export async function sweep(env: Env, log: Log): Promise<void> {
  const reaped = await reapLapsed(env.DB);
  for (const task of reaped) log.warn('task.lease_lapsed', task);
  const reticketed = await ticketWaitingJobs(env.DB);
  const sent = await drainTickets(env, log);
  // A drain that has sent something has woken them itself.
  if (sent === 0) await wakeTranscoders(env, log);
  const pruned = await pruneTasks(env.DB);
  const refused = await refuseUnserved(env.DB, configOf(env).ENCODER_WAIT_SECONDS);
  for (const jobId of refused) log.warn('job.encoder_not_available', { jobId });
  const moved = reaped.map((task) => task.jobId);
  const playable = await growWaitingJobs({ db: env.DB, config: configOf(env), log }, moved);
  const removed = await removeStaleGenerations(env, log);
  await reviseStaleManifests(env, log);
  const rewrapped = await rewrapKeys(env.DB, configOf(env).KEYS_KEK ?? []);
  if (rewrapped > 0) log.info('keys.rewrapped', { rewrapped });
  countSwept({ lapsed_leases: reaped.length, tickets_again: reticketed, tickets_sent: sent });
  countSwept({ ended_jobs: pruned, stale_generations: removed, refused_jobs: refused.length });
  const news = new Set([...moved, ...refused, ...playable]);
  await Promise.all([...news].map((jobId) => announceJob(env, jobId, log)));
  if (reaped.length + reticketed + sent + pruned + removed > 0) {
    log.info('sweep.done', { reaped: reaped.length, reticketed, sent, pruned, removed });
  }
}

/** Tickets are duplicated at worst: a transcoder that finds nothing to claim has lost one request. */
async function ticketWaitingJobs(db: D1Database): Promise<number> {
  const waiting = await db
    .prepare(
      // The oldest of them are enough to know whose job waits longest, however many there are.
      `SELECT job_id AS jobId FROM (
         SELECT job_id, not_before FROM tasks INDEXED BY tasks_ready
         WHERE state = 'ready' AND not_before <= unixepoch() - ${TICKET_LOST_SECONDS}
         ORDER BY not_before LIMIT ${WAITING_TASKS})
       GROUP BY job_id ORDER BY min(not_before) LIMIT ${MAX_RETICKETED_JOBS}`,
    )
    .all<{ jobId: string }>();
  const always = { sql: '1', params: [] };
  const statements = waiting.results.map(({ jobId }) =>
    ticketStatement(db, { id: `ticket:${jobId}:${newToken()}`, jobId }, always),
  );
  if (statements.length > 0) await db.batch(statements);
  return statements.length;
}

async function pruneTasks(db: D1Database): Promise<number> {
  const ended = await db
    .prepare(
      `SELECT id FROM jobs WHERE finished_at IS NOT NULL AND pruned_at IS NULL
         AND finished_at <= unixepoch() - ${TASKS_KEPT_SECONDS} ORDER BY finished_at LIMIT ${MAX_PRUNED_JOBS}`,
    )
    .all<{ id: string }>();
  if (ended.results.length === 0) return 0;
  const ids = JSON.stringify(ended.results.map((row) => row.id));
  await db.batch([
    db.prepare('DELETE FROM tasks WHERE job_id IN (SELECT value FROM json_each(?))').bind(ids),
    db
      .prepare('UPDATE jobs SET pruned_at = unixepoch() WHERE id IN (SELECT value FROM json_each(?))')
      .bind(ids),
  ]);
  return ended.results.length;
}
