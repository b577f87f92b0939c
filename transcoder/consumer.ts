// The transcoder's loop: a ticket from the queue is a reason to claim, and claiming goes on until there is
// nothing left. Each claimed task takes a slot.
import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, type Log } from '../shared/log.ts';
import type { Claim, ClaimRequest } from '../shared/messages.ts';
import type { LedgerClient } from './ledger-client.ts';
import type { QueueClient } from './queue-client.ts';

export type ConsumerOptions = {
  ledger: LedgerClient;
  queue: QueueClient;
  identity: ClaimRequest;
  slots: number;
  pollMinMs: number;
  pollMaxMs: number;
  idleClaimMs: number;
  log: Log;
  /** Works on a task until it is reported or given up; never rejects. */
  perform(claim: Claim): Promise<void>;
  /** Asked for work of another kind where a slot is free and the ledger has none; undefined when there is none. */
  claimSpare?(signal: AbortSignal): Promise<SpareWork | undefined>;
};

/** `perform` never rejects. */
export type SpareWork = { name: string; perform(): Promise<void> };

export type Consumer = {
  /** Names of the tasks under way. */
  running(): string[];
  /** Settles when the signal is aborted and every task has ended. */
  finished: Promise<void>;
};

const BACKOFF_FACTOR = 1.6;

export function startConsumer(options: ConsumerOptions, signal: AbortSignal): Consumer {
  const { ledger, queue, log } = options;
  const running = new Map<Promise<void>, string>();
  let bell = Promise.withResolvers<void>();

  /** Claims until every slot is taken or there is nothing to do. */
  const fillSlots = async () => {
    while (running.size < options.slots && !signal.aborted) {
      const claim = await ledger.claim(options.identity, signal);
      const spare = claim ? undefined : await options.claimSpare?.(signal);
      if (!claim && !spare) return;
      const work = claim ? options.perform(claim) : spare!.perform();
      running.set(work, claim ? `${claim.task.jobId}/${claim.task.name}` : spare!.name);
      // What a task finishes is often what another one waited for.
      void work.finally(() => {
        running.delete(work);
        bell.resolve();
      });
    }
  };

  /** True when tickets came. They are acked before the work: the ledger, not the queue, remembers it. */
  const pullTickets = async (): Promise<boolean> => {
    const tickets = await queue.pull(options.slots - running.size, signal);
    await queue.ack(tickets.map((ticket) => ticket.leaseId));
    for (const { ticket, attempts } of tickets) {
      if (ticket) log.info('ticket.taken', { jobId: ticket.jobId, attempts });
      else log.warn('ticket.unreadable', { attempts });
    }
    return tickets.length > 0;
  };

  /** True when a task ended in the meantime. */
  const rest = async (milliseconds: number | undefined): Promise<boolean> => {
    const resting = new AbortController();
    const ended = AbortSignal.any([signal, resting.signal]);
    const pause =
      milliseconds === undefined ? aborted(ended) : delay(milliseconds, undefined, { signal: ended });
    const rang = await Promise.race([bell.promise.then(() => true), pause.then(() => false)]).catch(
      () => false,
    );
    resting.abort();
    pause.catch(() => undefined);
    if (rang) bell = Promise.withResolvers();
    return rang;
  };

  const greet = async () => {
    while (!signal.aborted) {
      try {
        const released = await ledger.hello(options.identity.workerId);
        return log.info('transcoder.ready', { released, slots: options.slots });
      } catch (error) {
        log.warn('hello.failed', errorFields(error));
        await rest(options.pollMaxMs);
      }
    }
  };

  const loop = async () => {
    let isClaimDue = true;
    let claimedAtMs = 0;
    let pollMs = options.pollMinMs;
    while (!signal.aborted) {
      try {
        if (isClaimDue || performance.now() - claimedAtMs > options.idleClaimMs) {
          await fillSlots();
          claimedAtMs = performance.now();
          isClaimDue = false;
        }
        if (running.size >= options.slots) {
          isClaimDue = await rest(undefined);
          continue;
        }
        isClaimDue = await pullTickets();
        if (isClaimDue) pollMs = options.pollMinMs;
      } catch (error) {
        if (!signal.aborted) log.warn('consumer.failed', errorFields(error));
        pollMs = options.pollMaxMs;
      }
      if (isClaimDue || signal.aborted) continue;
      isClaimDue = await rest(pollMs);
      pollMs = isClaimDue ? options.pollMinMs : Math.min(options.pollMaxMs, pollMs * BACKOFF_FACTOR);
    }
  };

  const finished = (async () => {
    await greet();
    await loop();
    await Promise.allSettled(running.keys());
  })();
  return { running: () => [...running.values()], finished };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
