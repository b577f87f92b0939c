// Keeps the lease on a claimed task by heartbeats and says when it is gone.
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, type ErrorCode } from '../shared/errors.ts';
import { errorFields, type Log } from '../shared/log.ts';
import type { Claim } from '../shared/messages.ts';
import type { TaskLedger } from './ledger-client.ts';
import { meter } from './metrics.ts';

export type Lease = {
  /** Aborted when the task is no longer ours; whatever is still under way counts for nothing. */
  signal: AbortSignal;
  /** Ends the lease where `error` is the ledger's word that it is gone. Returns the error. */
  judge(error: unknown): unknown;
  stop(): void;
};

/** What the ledger answers to one who has lost the task: overtaken, ended, cancelled, or away for too long. */
const GONE: ReadonlySet<ErrorCode> = new Set(['lease_lost', 'job_finished', 'token_expired', 'unauthorized']);

export function keepLease(
  ledger: Pick<TaskLedger, 'heartbeat'>,
  claim: Pick<Claim, 'leaseSeconds' | 'heartbeatSeconds'>,
  log: Log,
): Lease {
  const lost = new AbortController();
  const stopped = new AbortController();
  let { leaseSeconds } = claim;
  // The ledger's clock began before its answer reached us, so ours is never the later one to lapse by much.
  let renewedAtMs = performance.now();

  const lose = (reason: string) => {
    if (lost.signal.aborted || stopped.signal.aborted) return;
    meter.count('reelay_transcoder_lease_losses_total', {});
    log.warn('lease.lost', { reason });
    lost.abort(new AppError('lease_lost'));
    stopped.abort();
  };

  const judge = (error: unknown) => {
    if (error instanceof AppError && GONE.has(error.code)) lose(error.code);
    return error;
  };

  const beat = async () => {
    const sentAtMs = performance.now();
    try {
      ({ leaseSeconds } = await ledger.heartbeat());
      renewedAtMs = sentAtMs;
    } catch (error) {
      judge(error);
      if (!lost.signal.aborted) log.warn('heartbeat.failed', errorFields(error));
    }
    if (performance.now() - renewedAtMs > leaseSeconds * 1000)
      lose('no heartbeat reached the ledger in time');
  };

  const beatForEver = async () => {
    while (!stopped.signal.aborted) {
      await delay(claim.heartbeatSeconds * 1000, undefined, { signal: stopped.signal, ref: false });
      await beat();
    }
  };
  beatForEver().catch((error: unknown) => {
    if (!stopped.signal.aborted) lose(String(error));
  });

  return { signal: lost.signal, judge, stop: () => stopped.abort() };
}
