// Ends workerd with SIGKILL again and again while others use it, at moments that a seed chooses: after so many
// bytes, or just after a request of some kind has begun.
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../shared/limits.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { CountedFetch, RequestKind } from './counted-fetch.ts';
import type { Chance } from './seeded.ts';

type Moment = { afterBytes: number; request: RequestKind | undefined; delayMs: number };

/** Requests worth dying in; bytes are by far the longest and come in any case. */
const REQUESTS = [undefined, undefined, 'create', 'complete', 'complete', 'report', 'abort'] as const;
const LONGEST_DELAY_MS = 60;
const LONGEST_OUTAGE_MS = 300;
const PATIENCE_BYTES = 48 * MIB;

export type Killer = {
  /** How often it killed while bytes were on their way, or just after a request of a kind had begun. */
  kills: Partial<Record<RequestKind, number>>;
  /** Stops killing; resolves with the Worker up. */
  stop(): Promise<void>;
};

/** @param totalBytes that the fleet will send at least; kills spread over them */
export function startKiller(
  stack: ChaosStack,
  traffic: CountedFetch,
  chance: Chance,
  count: number,
  totalBytes: number,
): Killer {
  const moments: Moment[] = Array.from({ length: count }, (_, index) => ({
    afterBytes: Math.floor(((index + chance.next()) / count) * totalBytes * 0.95),
    request: chance.pick(REQUESTS),
    delayMs: chance.between(0, LONGEST_DELAY_MS),
  }));
  const stopping = new AbortController();
  const kills: Killer['kills'] = {};
  const run = async () => {
    for (const moment of moments) {
      const kind = await arrival(traffic, moment, stopping.signal);
      if (kind === undefined) return;
      await sleep(moment.delayMs);
      await stack.killWorker();
      kills[kind] = (kills[kind] ?? 0) + 1;
      await sleep(chance.between(0, LONGEST_OUTAGE_MS));
      await stack.startWorker();
    }
  };
  const running = run();
  // Whoever stops the killer hears of what went wrong.
  running.catch(() => {});
  return {
    kills,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** @returns what came to pass; undefined when there is to be no more killing */
function arrival(
  traffic: CountedFetch,
  moment: Moment,
  signal: AbortSignal,
): Promise<RequestKind | undefined> {
  return new Promise((resolve) => {
    const hasSentEnough = () => traffic.accounts.sentBytes >= moment.afterBytes;
    if (moment.request) {
      traffic.onRequest((kind) => {
        if (kind === moment.request && hasSentEnough()) resolve(kind);
      });
    }
    // A kind of request that comes no more must not hold up the moments after it.
    const patienceBytes = moment.request ? PATIENCE_BYTES : 0;
    traffic.onBytes((sentBytes) => {
      if (sentBytes >= moment.afterBytes + patienceBytes) resolve('bytes');
    });
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    if (signal.aborted) resolve(undefined);
  });
}
