// Records of this isolate on their way to the queue: many requests make one message. What an isolate holds when it
// is ended is lost; what it cannot hold or send is counted and told with the next message.
import type { CmcdRecord, WatchMessage } from '../../shared/cmcd-record.ts';
import { errorFields, type Log } from '../../shared/log.ts';

const MAX_RECORDS = 50;
const MAX_AGE_MS = 5000;
/** While the queue does not answer, no more than this waits. */
const MAX_HELD = 500;

type Sink = { WATCH: Queue };
type Sources = { env: Sink; log: Log; waitUntil(work: Promise<unknown>): void };

const held: CmcdRecord[] = [];
let lost = 0;
/** A request of this isolate waits for the age to be reached. */
let isTimed = false;

export function keepRecord(record: CmcdRecord, { env, log, waitUntil }: Sources): void {
  if (held.length >= MAX_HELD) {
    lost++;
    return;
  }
  held.push(record);
  if (held.length >= MAX_RECORDS) waitUntil(flush(env, log));
  else if (!isTimed) {
    isTimed = true;
    waitUntil(flushLater(env, log));
  }
}

async function flushLater(env: Sink, log: Log): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, MAX_AGE_MS));
  isTimed = false;
  await flush(env, log);
}

/** Sends all that is held. Does not throw. */
export async function flush(env: Sink, log: Log): Promise<void> {
  while (held.length > 0) {
    const records = held.splice(0, MAX_RECORDS);
    const message: WatchMessage = { kind: 'cmcd', records, lost };
    const told = lost;
    lost = 0;
    try {
      await env.WATCH.send(message);
    } catch (error) {
      lost += told + records.length;
      log.warn('watch.cmcd_lost', { records: records.length, ...errorFields(error) });
      return;
    }
  }
}
