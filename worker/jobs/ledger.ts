// What a transcoder does to the task it holds. Every function is one compare-and-set on the task's epoch;
// when no row matches, the row tells whether this is a repeat (same answer) or the lease is gone.
import { AppError } from '../../shared/errors.ts';
import type { TaskState } from '../../shared/states.ts';
import { type HeldTask, newToken, taskGuard } from './guard.ts';
import { ticketStatement } from './outbox.ts';

/** @throws AppError lease_lost: stop at once, somebody else may be at it. */
export async function heartbeat(
  db: D1Database,
  held: HeldTask,
  leaseSeconds: number,
): Promise<{ workerId: string }> {
  const row = await db
    .prepare(
      `UPDATE tasks SET lease_until = unixepoch() + ?
       WHERE job_id = ? AND name = ? AND epoch = ? AND state = 'running' RETURNING worker_id AS workerId`,
    )
    .bind(leaseSeconds, held.jobId, held.task, held.epoch)
    .first<{ workerId: string }>();
  if (!row) throw new AppError('lease_lost');
  return row;
}

export type Committed = { mark: number; framesDone: number };

/**
 * Moves the task's mark to `mark`, exactly one further, and renews the lease. The last commit may be repeated.
 *
 * @throws AppError lease_lost, or commit_out_of_order for a gap, a step back or a segment beyond the chunk.
 */
export async function commitSegment(
  db: D1Database,
  held: HeldTask,
  mark: number,
  leaseSeconds: number,
): Promise<Committed> {
  const framesDone = `min(frames, mark * coalesce((SELECT segment_frames FROM jobs WHERE id = job_id), 0)) AS framesDone`;
  const row = await db
    .prepare(
      `UPDATE tasks SET mark = mark + 1, lease_until = unixepoch() + ?
       WHERE job_id = ? AND name = ? AND epoch = ? AND state = 'running' AND mark = ?
         AND (kind = 'audio' OR (kind IN ('chunk', 'instant') AND mark < segments))
       RETURNING mark, ${framesDone}`,
    )
    .bind(leaseSeconds, held.jobId, held.task, held.epoch, mark - 1)
    .first<Committed>();
  if (row) return row;
  const current = await currentOf(db, held, ['running']);
  if (current.mark === mark) return { mark, framesDone: 0 };
  throw new AppError('commit_out_of_order', {
    detail: `The ledger holds ${current.mark} of ${current.segments} segments; segment ${mark} does not follow.`,
  });
}

/**
 * Ends a task all of whose segments are committed. The last one to end makes `finish` ready, which does not wait
 * for the copy.
 *
 * @throws AppError lease_lost, or commit_out_of_order where `mark` is not the ledger's or a chunk is incomplete.
 */
export async function completeTask(db: D1Database, held: HeldTask, mark: number): Promise<void> {
  const token = newToken();
  const isDone = taskGuard(held, token);
  const results = await db.batch<{ name: string }>([
    db
      .prepare(
        `UPDATE tasks SET state = 'done', finished_at = unixepoch(), lease_until = 0, token = ?
         WHERE job_id = ? AND name = ? AND epoch = ? AND state = 'running' AND mark = ?
           AND (kind IN ('audio', 'text') OR (kind IN ('chunk', 'instant') AND mark = segments))
         RETURNING name`,
      )
      .bind(token, held.jobId, held.task, held.epoch, mark),
    db
      .prepare(
        `UPDATE tasks SET state = 'ready', not_before = unixepoch(), token = ?
         WHERE job_id = ? AND name = 'finish' AND state = 'blocked'
           AND NOT EXISTS (SELECT 1 FROM tasks o WHERE o.job_id = ? AND o.kind NOT IN ('finish', 'instant') AND o.state <> 'done')
           AND ${isDone.sql}`,
      )
      .bind(token, held.jobId, held.jobId, ...isDone.params),
    ticketStatement(
      db,
      { id: `ticket:${held.jobId}:${token}`, jobId: held.jobId },
      taskGuard({ jobId: held.jobId, task: 'finish' }, token, 'ready'),
    ),
  ]);
  if (results[0]?.results[0]) return;
  const current = await currentOf(db, held, ['running', 'done']);
  if (current.state === 'done' && current.mark === mark) return;
  throw new AppError('commit_out_of_order', {
    detail: `The ledger holds ${current.mark} of ${current.segments} segments; the task cannot end at ${mark}.`,
  });
}

export type CurrentTask = { state: TaskState; mark: number; segments: number };

/**
 * The held task's row, for telling a repeat from a loss.
 *
 * @throws AppError lease_lost unless this very attempt is the task's last and in one of `states`.
 */
export async function currentOf(db: D1Database, held: HeldTask, states: TaskState[]): Promise<CurrentTask> {
  const row = await db
    .prepare('SELECT state, mark, segments FROM tasks WHERE job_id = ? AND name = ? AND epoch = ?')
    .bind(held.jobId, held.task, held.epoch)
    .first<CurrentTask>();
  if (!row || !states.includes(row.state)) throw new AppError('lease_lost');
  return row;
}
