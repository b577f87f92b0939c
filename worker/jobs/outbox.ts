// What changes have left to be told. Rows of tickets are written in the batch of the change that makes work claimable
// and leave after a successful send, so a ticket is sent at least once or the sweeper sends another.

import { errorFields, type Log } from '../../shared/log.ts';
import { Ticket } from '../../shared/messages.ts';
import type { Env } from '../env.ts';
import { drainEvents } from '../webhooks/deliver.ts';
import type { Guard } from './guard.ts';
import { wakeTranscoders } from './transcoder-container.ts';

/** Ready tasks that one more woken transcoder is worth, and the most that one change wakes. */
const TASKS_PER_TICKET = 4;
const MAX_TICKETS = 5;

const DRAIN_ROWS = 50;
/** A drain that dies keeps its rows from others this long. */
const SEND_LEASE_SECONDS = 30;
const MAX_BACKOFF_SECONDS = 300;

export function ticketsFor(readyTasks: number): number {
  return Math.min(MAX_TICKETS, Math.ceil(readyTasks / TASKS_PER_TICKET));
}

/** Outbox rows `{id}:0`, `{id}:1` and so on, in the batch of the change that `guard` proves. */
export function ticketStatement(
  db: D1Database,
  ticket: { id: string; jobId: string; count?: number; delaySeconds?: number },
  guard: Guard,
): D1PreparedStatement {
  const ids = Array.from({ length: ticket.count ?? 1 }, (_, index) => `${ticket.id}:${index}`);
  const body: Ticket = { v: 1, jobId: ticket.jobId };
  return db
    .prepare(
      `INSERT INTO outbox (id, topic, body, delay_seconds)
       SELECT value, 'ticket', ?, ? FROM json_each(?) WHERE (${guard.sql})
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(JSON.stringify(body), ticket.delaySeconds ?? 0, JSON.stringify(ids), ...guard.params);
}

type OutboxRow = { id: string; body: string; delay_seconds: number };

/** For `waitUntil` behind a change. @returns tickets that left */
export async function drainOutbox(env: Env, log: Log): Promise<number> {
  const [sent] = await Promise.all([drainTickets(env, log), drainEvents(env, log)]);
  return sent;
}

/** Sends what is due and returns how many messages left. Concurrent drains share the rows between them. */
export async function drainTickets(env: Env, log: Log): Promise<number> {
  const due = await env.DB.prepare(
    `UPDATE outbox SET attempts = attempts + 1, next_at = unixepoch() + ${SEND_LEASE_SECONDS}
     WHERE id IN (SELECT id FROM outbox WHERE topic = 'ticket' AND next_at <= unixepoch()
                  ORDER BY next_at LIMIT ${DRAIN_ROWS})
     RETURNING id, body, delay_seconds`,
  ).all<OutboxRow>();
  if (due.results.length === 0) return 0;

  const sends = await Promise.allSettled(due.results.map((row) => send(env, row)));
  const sent = due.results.filter((_, index) => sends[index]?.status === 'fulfilled').map((row) => row.id);
  const failed = due.results.filter((_, index) => sends[index]?.status === 'rejected').map((row) => row.id);
  const firstError = sends.find((result) => result.status === 'rejected')?.reason;
  if (failed.length > 0) log.warn('outbox.send_failed', { rows: failed.length, ...errorFields(firstError) });

  await env.DB.batch([
    env.DB.prepare('DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))').bind(
      JSON.stringify(sent),
    ),
    env.DB.prepare(
      `UPDATE outbox SET next_at = unixepoch() + min(${MAX_BACKOFF_SECONDS}, 1 << min(attempts, 9))
       WHERE id IN (SELECT value FROM json_each(?))`,
    ).bind(JSON.stringify(failed)),
  ]);
  await wakeTranscoders(env, log);
  return sent.length;
}

async function send(env: Env, row: OutboxRow): Promise<void> {
  const ticket = Ticket.parse(JSON.parse(row.body));
  // A pull consumer cannot read the default v8 encoding.
  await env.TICKETS.send(ticket, { contentType: 'json', delaySeconds: row.delay_seconds });
}
