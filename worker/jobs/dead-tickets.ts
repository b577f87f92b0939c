// Tickets that nobody acknowledged. A ticket is a wake-up and its job is in D1, where the next ask for work finds
// it: what is left to do is to tell that it happened.
import type { Log } from '../../shared/log.ts';
import { Ticket } from '../../shared/messages.ts';
import { meter } from '../http/meter.ts';

export const DEAD_TICKET_QUEUE = 'reelay-tickets-dead';

export function buryTickets({ messages }: Pick<MessageBatch<unknown>, 'messages'>, log: Log): void {
  for (const message of messages) {
    const ticket = Ticket.safeParse(message.body);
    log.warn('ticket.dead', ticket.success ? { jobId: ticket.data.jobId } : { isTicket: false });
    meter.count('reelay_dead_tickets_total', {});
    message.ack();
  }
}
