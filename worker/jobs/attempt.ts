// How an attempt at a task ends without success. The first statement is the compare-and-set that decides
// between another try (`ready`) and giving up (`failed`); the rest of the batch follows its token.
import { AppError, type ErrorCode } from '../../shared/errors.ts';
import { dropSourceStatements } from './drop-source.ts';
import { endJobStatements } from './end-job.ts';
import { type Guard, type HeldTask, INSTANT_TASK, newToken, taskGuard } from './guard.ts';
import { ticketStatement } from './outbox.ts';

const NEVER: Guard = { sql: '0', params: [] };
/** Hosts that die one after another under one task are bad luck up to here, and then the task's doing. */
const MAX_STALLS = 5;
const MAX_CRASHES = 2;
const MAX_RETRIES = 8;
const FIRST_BACKOFF_SECONDS = 2;
const MAX_BACKOFF_SECONDS = 120;

export type AttemptEnd =
  | { cause: 'media' | 'retryable'; code: ErrorCode; detail: string }
  /** ffmpeg died by signal or memory, as told by a living transcoder. */
  | { cause: 'resources'; detail: string }
  /** Nobody renewed the lease. */
  | { cause: 'lapsed' }
  /** The worker came back under its old id and knows nothing of the task. */
  | { cause: 'restarted' }
  /** A draining transcoder gave the task back. */
  | { cause: 'released' };

// An attempt that got segments done starts the count again: only attempts that achieve nothing add up.
const STALLS = 'CASE WHEN mark = mark_at_claim THEN stalls + 1 ELSE 0 END';
const RETRIES = 'CASE WHEN mark = mark_at_claim THEN retries ELSE 0 END + 1';
const readyOr = (giveUp: string) => `CASE WHEN ${giveUp} THEN 'failed' ELSE 'ready' END`;

const COUNTS: Record<AttemptEnd['cause'], string> = {
  media: `state = 'failed'`,
  resources: `crashes = crashes + 1, state = ${readyOr(`crashes + 1 >= ${MAX_CRASHES}`)}`,
  retryable: `retries = ${RETRIES}, state = ${readyOr(`${RETRIES} > ${MAX_RETRIES}`)}`,
  lapsed: `stalls = ${STALLS}, state = ${readyOr(`${STALLS} >= ${MAX_STALLS}`)}`,
  // Not a stall, since a restart is no verdict on the task, but a task that kills its host must not do so for ever.
  restarted: `retries = ${RETRIES}, state = ${readyOr(`${RETRIES} > ${MAX_RETRIES}`)}`,
  released: `state = 'ready'`,
};

/** Statements per ended attempt: the compare-and-set comes first and returns the task's new state. */
export type EndedRow = { state: 'ready' | 'failed' };

export function endAttemptStatements(db: D1Database, held: HeldTask, end: AttemptEnd): D1PreparedStatement[] {
  const token = newToken();
  const backoffSeconds = `min(${MAX_BACKOFF_SECONDS}, ${FIRST_BACKOFF_SECONDS} << min(retries, 10))`;
  const delay = end.cause === 'retryable' ? ` + ${backoffSeconds}` : '';
  const onlyLapsed = end.cause === 'lapsed' ? ' AND lease_until <= unixepoch()' : '';
  const isReady = taskGuard(held, token, 'ready');
  const isGivenUp = held.task === INSTANT_TASK ? NEVER : taskGuard(held, token, 'failed');
  const reason = verdict(end);
  const ticket = ticketStatement(db, { id: `ticket:${held.jobId}:${token}`, jobId: held.jobId }, isReady);
  return [
    db
      .prepare(
        `UPDATE tasks SET ${COUNTS[end.cause]}, not_before = unixepoch()${delay}, lease_until = 0,
           worker_id = NULL, token = ?
         WHERE job_id = ? AND name = ? AND epoch = ? AND state = 'running'${onlyLapsed}
         RETURNING state`,
      )
      .bind(token, held.jobId, held.task, held.epoch),
    ...endJobStatements(db, held.jobId, { state: 'failed', ...reason }, isGivenUp),
    ...(reason.code === 'upload_checksum_mismatch'
      ? dropSourceStatements(db, held.jobId, reason, isGivenUp)
      : []),
    ticket,
    // The queue holds the wake-up back until the task may be claimed.
    db
      .prepare(
        `UPDATE outbox SET delay_seconds = (SELECT max(0, not_before - unixepoch()) FROM tasks WHERE job_id = ? AND name = ?)
         WHERE id = ?`,
      )
      .bind(held.jobId, held.task, `ticket:${held.jobId}:${token}:0`),
  ];
}

/**
 * Ends one attempt. Told twice, it answers twice the same.
 *
 * @throws AppError lease_lost where the attempt is no longer the task's current one.
 */
export async function endAttempt(db: D1Database, held: HeldTask, end: AttemptEnd): Promise<void> {
  const results = await db.batch<EndedRow>(endAttemptStatements(db, held, end));
  if (results[0]?.results[0]) return;
  const row = await db
    .prepare(
      `SELECT 1 FROM tasks WHERE job_id = ? AND name = ? AND epoch = ? AND state IN ('ready', 'failed')`,
    )
    .bind(held.jobId, held.task, held.epoch)
    .first();
  if (!row) throw new AppError('lease_lost');
}

function verdict(end: AttemptEnd): { code: ErrorCode; detail: string } {
  switch (end.cause) {
    case 'media':
    case 'retryable':
      return { code: end.code, detail: end.detail };
    case 'resources':
      return { code: 'encode_resources', detail: end.detail };
    case 'lapsed':
    case 'restarted':
    case 'released':
      return {
        code: 'transcoder_lost',
        detail: 'Transcoders took up this job again and again and stopped without finishing a segment.',
      };
  }
}
