// Cloudflare Queues as an HTTP pull consumer, in production's wire format.
// https://developers.cloudflare.com/queues/configuration/pull-consumers/
import { z } from 'zod';
import { AppError } from '../shared/errors.ts';
import { Ticket } from '../shared/messages.ts';

export type QueueAddress = { api: string; accountId: string; queueId: string; token: string };

export type PulledTicket = {
  leaseId: string;
  attempts: number;
  /** undefined for a body that is no ticket: still to be acked, or it would come back for ever. */
  ticket: Ticket | undefined;
};

export type QueueClient = {
  pull(batchSize: number, signal?: AbortSignal): Promise<PulledTicket[]>;
  ack(leaseIds: string[]): Promise<void>;
};

/** Tickets are acked at once, so this only bounds how long one is lost when we die in between. */
const VISIBILITY_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 15_000;

const PullAnswer = z.object({
  success: z.literal(true),
  result: z.object({
    messages: z.array(z.object({ body: z.string(), attempts: z.number(), lease_id: z.string() })).default([]),
  }),
});

export function createQueueClient(address: QueueAddress): QueueClient {
  const base = `${address.api}/accounts/${address.accountId}/queues/${address.queueId}/messages`;

  const post = async (action: string, body: object, signal?: AbortSignal): Promise<unknown> => {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(`${base}/${action}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${address.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new AppError('internal', { detail: `The queue answered ${response.status} to ${action}.` });
    }
    return response.json();
  };

  return {
    async pull(batchSize, signal) {
      const body = { batch_size: batchSize, visibility_timeout_ms: VISIBILITY_TIMEOUT_MS };
      const answer = PullAnswer.parse(await post('pull', body, signal));
      return answer.result.messages.map((message) => ({
        leaseId: message.lease_id,
        attempts: message.attempts,
        ticket: readTicket(message.body),
      }));
    },

    async ack(leaseIds) {
      if (leaseIds.length === 0) return;
      await post('ack', { acks: leaseIds.map((lease_id) => ({ lease_id })), retries: [] });
    },
  };
}

/** Bodies sent as `json` are pulled as base64. */
function readTicket(body: string): Ticket | undefined {
  try {
    return Ticket.parse(JSON.parse(Buffer.from(body, 'base64').toString('utf8')));
  } catch {
    return undefined;
  }
}
