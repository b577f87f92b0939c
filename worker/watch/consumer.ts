// The queue's consumer: many messages are one transaction. A message that cannot be read is dropped and counted; one
// that cannot be written is tried again alone, so that it never holds up the others.
import { type CmcdRecord, WatchMessage } from '../../shared/cmcd-record.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import type { WatchEvent } from '../../shared/watch-api.ts';
import type { Env } from '../env.ts';
import { meter } from '../http/meter.ts';
import { copyToAnalytics } from './analytics-engine.ts';
import { rollUp } from './roll-up.ts';

/** What a batch says of one session. */
export type Heard = {
  ownerId?: string | undefined;
  app: string;
  events: WatchEvent[];
  records: CmcdRecord[];
};

/** As wrangler.toml has it for this queue. */
const MAX_RETRIES = 10;

/** Another consumer may have written the same session meanwhile. */
const ATTEMPTS = 4;

type Read = { message: Message<unknown>; body: WatchMessage };

export async function consumeWatch(
  batch: Pick<MessageBatch<unknown>, 'messages'>,
  env: Env,
  log: Log,
): Promise<void> {
  const read: Read[] = [];
  let unreadable = 0;
  for (const message of batch.messages) {
    const body = WatchMessage.safeParse(message.body);
    if (body.success) read.push({ message, body: body.data });
    else {
      unreadable++;
      message.ack();
    }
  }
  if (unreadable > 0) log.warn('watch.unreadable', { messages: unreadable });
  if (await written(env, log, read, { unreadable })) return;
  let uncounted = { unreadable };
  for (const one of read) {
    if (await written(env, log, [one], uncounted)) uncounted = { unreadable: 0 };
    else giveBack(one, log);
  }
}

function giveBack({ message, body }: Read, log: Log): void {
  if (message.attempts > MAX_RETRIES) {
    // The queue keeps it in reelay-watch-dead, where nobody counts.
    const count = body.kind === 'cmcd' ? body.records.length : body.events.length;
    meter.count('reelay_watch_dropped_total', { reason: 'undelivered' }, count);
    log.error('watch.undelivered', { kind: body.kind, count });
  }
  message.retry({ delaySeconds: 30 });
}

/** Acknowledges what it has written. */
async function written(
  env: Env,
  log: Log,
  read: readonly Read[],
  losses: Record<string, number>,
): Promise<boolean> {
  const heard = sessionsOf(read.map(({ body }) => body));
  const lost = read.reduce((sum, { body }) => sum + (body.kind === 'cmcd' ? body.lost : 0), 0);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      await rollUp(env, heard, { ...losses, cmcd_lost: lost });
      for (const { message } of read) message.ack();
      for (const { events, records } of heard.values()) {
        meter.count('reelay_watch_received_total', { kind: 'events' }, events.length);
        meter.count('reelay_watch_received_total', { kind: 'cmcd' }, records.length);
      }
      copyToAnalytics(env, heard);
      return true;
    } catch (error) {
      log.warn('watch.roll_up_failed', { attempt, messages: read.length, ...errorFields(error) });
    }
  }
  return false;
}

export function sessionsOf(bodies: readonly WatchMessage[]): Map<string, Heard> {
  const heard = new Map<string, Heard>();
  const of = (sessionId: string): Heard => {
    const known = heard.get(sessionId) ?? { app: '', events: [], records: [] };
    heard.set(sessionId, known);
    return known;
  };
  for (const body of bodies) {
    if (body.kind === 'events') {
      const session = of(body.sessionId);
      session.events.push(...body.events);
      session.app ||= body.app;
      session.ownerId ??= body.ownerId;
    } else {
      for (const record of body.records) {
        const session = of(record.sessionId);
        session.records.push(record);
        session.app ||= record.app ?? '';
      }
    }
  }
  return heard;
}
