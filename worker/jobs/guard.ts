// A batch does not stop when a compare-and-set matches no row. Its first statement writes a token, and every
// later statement carries a guard that looks for it.

/** A boolean SQL expression with its parameters in order, all anonymous. */
export type Guard = { sql: string; params: unknown[] };

/** Which attempt at which task: what a job token proves. */
export type HeldTask = { jobId: string; task: string; epoch: number };

/** The one task that nothing waits for: whatever becomes of it, its job goes on. */
export const INSTANT_TASK = 'instant';

/** `chunk` of `chunk:3`. */
export function kindOf({ task }: Pick<HeldTask, 'task'>): string {
  return task.split(':', 1)[0]!;
}

export function newToken(): string {
  return crypto.randomUUID();
}

/** True once a transition of this very batch has written `token` to the task (and left it in `state`). */
export function taskGuard(held: { jobId: string; task: string }, token: string, state?: string): Guard {
  const ofState = state === undefined ? '' : ' AND state = ?';
  return {
    sql: `EXISTS (SELECT 1 FROM tasks WHERE job_id = ? AND name = ? AND token = ?${ofState})`,
    params: [held.jobId, held.task, token, ...(state === undefined ? [] : [state])],
  };
}
