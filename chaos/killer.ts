// Ends workerd with SIGKILL again and again while others use it, at moments that a seed chooses: after so many
// bytes, or just after a request of some kind has begun.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosStack } from './chaos-stack.ts';
import type { CountedFetch, RequestKind } from './counted-fetch.ts';
import type { Chance } from './seeded.ts';

type Moment = { afterBytes: number; request: RequestKind | undefined; delayMs: number };

/** Requests worth dying in; bytes are by far the longest and come in any case. */
const REQUESTS = [undefined, undefined, 'create', 'complete', 'complete', 'report', 'abort'] as const;
const LONGEST_DELAY_MS = 60;
const LONGEST_OUTAGE_MS = 300;

export type Killer = {
  kills(): number;
  /** Stops killing; resolves with the Worker up. */
  stop(): Promise<void>;
};

/** @param totalBytes that the fleet will send at least; kills spread over them */
export function startKiller(
  stack: ChaosStack,
  traffic: CountedFetch,
  chance: Chance,
  kills: number,
  totalBytes: number,
): Killer {
  const moments: Moment[] = Array.from({ length: kills }, (_, index) => ({
    afterBytes: Math.floor(((index + chance.next()) / kills) * totalBytes * 0.95),
    request: chance.pick(REQUESTS),
    delayMs: chance.between(0, LONGEST_DELAY_MS),
  }));
  const stopping = new AbortController();
  let killed = 0;
  const run = async () => {
    for (const moment of moments) {
      await arrival(traffic, moment, stopping.signal);
      if (stopping.signal.aborted) return;
      await sleep(moment.delayMs);
      await stack.killWorker();
      killed += 1;
      await sleep(chance.between(0, LONGEST_OUTAGE_MS));
      await stack.startWorker();
    }
  };
  const running = run();
  // Whoever stops the killer hears of what went wrong.
  running.catch(() => {});
  return {
    kills: () => killed,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** Resolves when the moment has come, or when there is to be no more killing. */
function arrival(traffic: CountedFetch, moment: Moment, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const hasSentEnough = () => traffic.accounts.sentBytes >= moment.afterBytes;
    if (moment.request) {
      traffic.onRequest((kind) => {
        if (kind === moment.request && hasSentEnough()) resolve();
      });
    }
    // A kind of request that comes no more must not hold up the moments after it.
    const patienceBytes = moment.request ? 24 * 1024 * 1024 : 0;
    traffic.onBytes((sentBytes) => {
      if (sentBytes >= moment.afterBytes + patienceBytes) resolve();
    });
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted || (!moment.request && hasSentEnough())) resolve();
  });
}
