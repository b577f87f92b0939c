// Waiting and trying again, for calls over the network that may be repeated safely.
import { setTimeout as delay } from 'node:timers/promises';

export type RetryOptions = {
  /** Waits before each further attempt, at most; the real wait is between half of it and all of it. */
  delaysMs: readonly number[];
  isRetryable: (error: unknown) => boolean;
  signal?: AbortSignal;
  /** Told before each further attempt. */
  onRetry?: () => void;
};

/** The answer of the first attempt that succeeds, or the last attempt's error. */
export async function withRetries<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (const delayMs of options.delaysMs) {
    try {
      return await attempt();
    } catch (error) {
      if (options.signal?.aborted || !options.isRetryable(error)) throw error;
      options.onRetry?.();
      await delay(delayMs * (0.5 + Math.random() / 2), undefined, { signal: options.signal });
    }
  }
  return attempt();
}
