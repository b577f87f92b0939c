// Attempts nobody works on any more: lapsed leases, and those of a worker that has restarted.
import { meter } from '../http/meter.ts';
import { type AttemptEnd, type EndedRow, endAttemptStatements } from './attempt.ts';
import { kindOf } from './guard.ts';

/** Leases taken back in one go; more wait for the next claim or sweep. */
const MAX_REAPED = 20;

type Abandoned = { jobId: string; task: string; epoch: number };
export type Reaped = Abandoned & EndedRow;

/** Takes back lapsed leases, oldest first. */
export async function reapLapsed(db: D1Database): Promise<Reaped[]> {
  const lapsed = await db
    .prepare(
      `SELECT job_id AS jobId, name AS task, epoch FROM tasks
       WHERE state = 'running' AND lease_until <= unixepoch() ORDER BY lease_until LIMIT ${MAX_REAPED}`,
    )
    .all<Abandoned>();
  return endAll(db, lapsed.results, { cause: 'lapsed' });
}

/** Takes back at once what a restarted worker held before. */
export async function reapWorker(db: D1Database, workerId: string): Promise<Reaped[]> {
  const held = await db
    .prepare(
      `SELECT job_id AS jobId, name AS task, epoch FROM tasks WHERE state = 'running' AND worker_id = ?`,
    )
    .bind(workerId)
    .all<Abandoned>();
  return endAll(db, held.results, { cause: 'restarted' });
}

async function endAll(db: D1Database, abandoned: Abandoned[], end: AttemptEnd): Promise<Reaped[]> {
  if (abandoned.length === 0) return [];
  const batches = abandoned.map((task) => endAttemptStatements(db, task, end));
  const results = await db.batch<EndedRow>(batches.flat());
  let first = 0;
  return abandoned.flatMap((task, index) => {
    const ended = results[first]?.results[0];
    first += batches[index]?.length ?? 0;
    if (!ended) return [];
    meter.count('reelay_task_attempts_total', { kind: kindOf(task), outcome: end.cause });
    if (end.cause === 'lapsed') meter.count('reelay_lease_expiries_total', {});
    return [{ ...task, ...ended }];
  });
}
