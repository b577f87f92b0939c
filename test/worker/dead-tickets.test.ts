import { createExecutionContext, createMessageBatch, getQueueResult } from 'cloudflare:test';
import { expect, it, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { meter } from '../../worker/http/meter.ts';
import { buryTickets, DEAD_TICKET_QUEUE } from '../../worker/jobs/dead-tickets.ts';

it('are told, counted and done with, whatever is in them', async () => {
  const bodies = [{ v: 1, jobId: 'j-1' }, 'no ticket at all'];
  const batch = createMessageBatch(
    DEAD_TICKET_QUEUE,
    bodies.map((body, index) => ({ id: String(index), timestamp: new Date(), attempts: 4, body })),
  );
  const lines: string[] = [];
  vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line));
  const [counted] = meter.numbersOf('reelay_dead_tickets_total', {});
  buryTickets(batch, createLog());
  vi.restoreAllMocks();

  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  expect({ explicitAcks, retryMessages }).toMatchObject({ explicitAcks: ['0', '1'], retryMessages: [] });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { event: 'ticket.dead', jobId: 'j-1' },
    { event: 'ticket.dead', isTicket: false },
  ]);
  expect(meter.numbersOf('reelay_dead_tickets_total', {})[0]! - counted!).toBe(2);
});
