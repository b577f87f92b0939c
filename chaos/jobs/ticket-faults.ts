// Stands between transcoders and the queue: of the tickets some never arrive, some arrive twice, and all of them
// late and in an order of their own.
import type { FaultRules } from './fault-rules.ts';
import type { History } from './history.ts';

export type TicketRates = { dropped: number; duplicated: number };

export type TicketFaults = {
  /**
   * From now on what is in the queue meets its fate: transcoders that always find work ask for no tickets, and all of
   * them would wait for the end.
   */
  begin(queueToken: string): void;
  /** Answers a pull or an ack of a transcoder. */
  answer(path: string, authorization: string, body: string): Promise<unknown>;
  /** From now on every ticket is handed on at once. */
  end(): void;
};

type Message = { body: string; id: string; lease_id: string; attempts: number; metadata: object };

/** Of the local stack's queue. */
const PULL = '/accounts/local/queues/reelay-tickets/messages/pull';
const LONGEST_DELAY_MS = 2500;
const TAKE_MS = 500;

export function createTicketFaults(
  queueUrl: () => string,
  rates: TicketRates,
  { rules, history }: { rules: FaultRules; history: History },
): TicketFaults {
  const held: { message: Message; dueAtMs: number; order: number }[] = [];
  let tickets = 0;
  let isOver = false;
  let taking: NodeJS.Timeout | undefined;

  const post = async (path: string, authorization: string, body: object) => {
    const response = await fetch(queueUrl() + path, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`the queue answered ${response.status}`);
    return (await response.json()) as { result: { messages: Message[] } };
  };

  const take = async (path: string, authorization: string) => {
    const { result } = await post(path, authorization, { batch_size: 100, visibility_timeout_ms: 30_000 });
    const { messages } = result;
    if (messages.length === 0) return;
    const acks = messages.map(({ lease_id }) => ({ lease_id }));
    await post(path.replace('/pull', '/ack'), authorization, { acks, retries: [] });
    for (const message of messages) hold(message);
  };

  const hold = (message: Message) => {
    tickets += 1;
    const fate = rules.chance(`fate of ticket ${tickets}`);
    if (!isOver && fate < rates.dropped) return history.note('ticket.dropped', { ticket: tickets });
    const isTwice = !isOver && fate < rates.dropped + rates.duplicated;
    history.note(isTwice ? 'ticket.duplicated' : 'ticket.passed', { ticket: tickets });
    for (let copy = 0; copy < (isTwice ? 2 : 1); copy += 1) {
      const order = rules.chance(`order of ticket ${tickets} ${copy}`);
      const dueAtMs = Date.now() + (isOver ? 0 : order * LONGEST_DELAY_MS);
      held.push({ message: { ...message, lease_id: `${message.lease_id}-${copy}` }, dueAtMs, order });
    }
  };

  return {
    begin: (queueToken) => {
      const again = () => void take(PULL, `Bearer ${queueToken}`).catch(() => undefined);
      taking = setInterval(again, TAKE_MS).unref();
    },
    async answer(path, authorization, body) {
      const success = { success: true, errors: [], messages: [] };
      // Acknowledged upstream as they came: what a dying transcoder holds is lost, as it may be in production.
      if (path.endsWith('/ack')) return { ...success, result: { ackCount: 0, retryCount: 0, warnings: [] } };
      await take(path, authorization);
      const { batch_size = 5 } = JSON.parse(body) as { batch_size?: number };
      const due = held.filter(({ dueAtMs }) => dueAtMs <= Date.now()).sort((a, b) => a.order - b.order);
      const given = due.slice(0, batch_size);
      for (const one of given) held.splice(held.indexOf(one), 1);
      const messages = given.map(({ message }) => message);
      return { ...success, result: { message_backlog_count: held.length, messages } };
    },
    end: () => {
      isOver = true;
      clearInterval(taking);
      for (const one of held) one.dueAtMs = 0;
    },
  };
}
