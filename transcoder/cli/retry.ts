// Trying again: which failures may pass by themselves, how long to wait, when to give up.
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiFailure, ConnectionStalled } from './api-client.ts';

/** Gives up after `attempts`, but not before `patienceMs` have passed since the first failure. */
export type RetryPolicy = { attempts: number; patienceMs: number; firstDelayMs: number; maxDelayMs: number };

/** For what must answer before a person is kept waiting: a wrong address should show in seconds. */
export const BRIEF: RetryPolicy = { attempts: 5, patienceMs: 0, firstDelayMs: 300, maxDelayMs: 5000 };
/** For bytes under way: a router that restarts, a train in a tunnel. */
export const PATIENT: RetryPolicy = {
  attempts: 6,
  patienceMs: 10 * 60_000,
  firstDelayMs: 300,
  maxDelayMs: 15_000,
};

export type RetryOptions = {
  policy: RetryPolicy;
  /** Ends the waiting with its reason. */
  signal?: AbortSignal | undefined;
  onWait?: ((error: unknown, delayMs: number) => void) | undefined;
};

/** @param attempt told its number, from 1 */
export async function withRetries<T>(
  attempt: (count: number) => Promise<T>,
  { policy, signal, onWait }: RetryOptions,
): Promise<T> {
  let firstFailureAtMs = 0;
  for (let count = 1; ; count += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(count);
    } catch (error) {
      signal?.throwIfAborted();
      if (count === 1) firstFailureAtMs = Date.now();
      const patienceMs = isAskedToWait(error)
        ? Math.max(policy.patienceMs, ASKED_PATIENCE_MS)
        : policy.patienceMs;
      const isSpent = count >= policy.attempts && Date.now() - firstFailureAtMs >= patienceMs;
      if (isSpent || !mayPass(error)) throw error;
      const delayMs = delayBefore(count, error, policy);
      onWait?.(error, delayMs);
      await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}

/** A server that names a time to come back is alive. Its longest: a key whose first request died lapses in 60 s. */
const ASKED_PATIENCE_MS = 90_000;

function isAskedToWait(error: unknown): boolean {
  return error instanceof ApiFailure && error.retryAfterSeconds !== undefined;
}

/** Doubling with jitter, never sooner than the server asks. */
function delayBefore(count: number, error: unknown, policy: RetryPolicy): number {
  const backoffMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(count - 1, 20));
  const askedMs = error instanceof ApiFailure ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return Math.max(askedMs, backoffMs * (0.5 + Math.random()));
}

/** Failures that another try may mend: no connection, overload, a request still in flight, a signature that ran out. */
export function mayPass(error: unknown): boolean {
  if (error instanceof ConnectionStalled) return true;
  if (!(error instanceof ApiFailure)) return isConnectionFailure(error);
  const { status, isFromStorage, isBodyDamaged, retryAfterSeconds } = error;
  if (isBodyDamaged) return true;
  // Storage says 403 of every signature it does not like; the next try brings a new one.
  if (isFromStorage && status === 403) return true;
  if (status === 409 || status === 423) return retryAfterSeconds !== undefined;
  return status >= 500 || status === 429 || status === 408;
}

const CONNECTION_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'],
  ...['ENETDOWN', 'ENETUNREACH', 'ENETRESET', 'EHOSTDOWN', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'ENOBUFS'],
  ...['UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
  // A server that died in the middle of its answer.
  'HPE_INVALID_EOF_STATE',
]);

/** fetch reports every connection failure as a TypeError whose cause has the reason. */
function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return false;
  return CONNECTION_CODES.has((error.cause as NodeJS.ErrnoException).code ?? '');
}
