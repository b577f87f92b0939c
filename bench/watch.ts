// Watch events: 10,000 of them, sent three times each in any order, counted; and the CPU time that one event costs
// from the body of its request to what the roll-up would write, without D1 and the queue, which are not ours.
import { performance } from 'node:perf_hooks';
import { WatchMessage } from '../shared/cmcd-record.ts';
import { judgeEvents, MAX_WATCH_EVENTS, type WatchEvent, WatchRequest } from '../shared/watch-api.ts';
import { UNWATCHED, type WatchSession, watch } from '../shared/watch-session.ts';
import { randomOf, shuffled } from '../test/support/random.ts';
import { cmcdOf, recordOf } from '../worker/watch/cmcd-parse.ts';

const EVENTS = 10_000;
const COPIES = 3;
const SESSIONS = 100;
const DURATION_SECONDS = 1000;
const TARGET_MS_PER_EVENT = 0.05;
const CMCD_REQUESTS = 20_000;

export async function benchWatch(): Promise<void> {
  const bodies = requestBodies();
  count(bodies); // once, so that what is measured is compiled
  const cpuBefore = process.cpuUsage();
  const counted = count(bodies);
  const { user, system } = process.cpuUsage(cpuBefore);
  const perEventMs = (user + system) / 1000 / (EVENTS * COPIES);
  console.log(
    `${EVENTS} events, ${COPIES} times each, shuffled: ${counted.events} counted, ${counted.watchedSeconds} s watched (${EVENTS * 10} s expected)`,
  );
  console.log(
    `CPU per event, ingest and roll-up: ${perEventMs.toFixed(4)} ms (at most ${TARGET_MS_PER_EVENT})`,
  );
  console.log(`CPU per request with CMCD in its headers: ${cmcdCpuMs().toFixed(4)} ms`);
  if (counted.events !== EVENTS || counted.watchedSeconds !== EVENTS * 10)
    throw new Error('the counts are wrong');
  if (perEventMs > TARGET_MS_PER_EVENT) throw new Error('an event costs too much');
}

type Sent = { sessionId: string; event: WatchEvent };

function requestBodies(): string[] {
  const perSession = EVENTS / SESSIONS;
  const sent: Sent[] = Array.from({ length: EVENTS * COPIES }, (_, index) => {
    const id = index % EVENTS;
    const seq = Math.floor(id / SESSIONS);
    const positionSeconds = ((seq % perSession) + 1) * 10;
    return {
      sessionId: `session-${id % SESSIONS}`,
      event: { seq, type: 'progress', positionSeconds, atMs: Date.now() },
    };
  });
  const order = shuffled(sent, randomOf(7));
  const bodies: string[] = [];
  for (let start = 0; start < order.length; start += 2000) {
    const group = Map.groupBy(order.slice(start, start + 2000), ({ sessionId }) => sessionId);
    for (const [sessionId, events] of group) {
      if (events.length > MAX_WATCH_EVENTS) throw new Error('a request would be too large');
      bodies.push(JSON.stringify({ sessionId, events: events.map(({ event }) => event) }));
    }
  }
  return bodies;
}

function count(bodies: readonly string[]): { events: number; watchedSeconds: number } {
  const sessions = new Map<string, WatchSession>();
  for (const body of bodies) {
    const { sessionId, events } = WatchRequest.parse(JSON.parse(body));
    const { taken } = judgeEvents(events, Date.now());
    const message = { kind: 'events', sessionId, app: '', events: taken };
    const read = WatchMessage.parse(JSON.parse(JSON.stringify(message)));
    if (read.kind !== 'events') throw new Error('a message became another');
    sessions.set(
      sessionId,
      watch(sessions.get(sessionId) ?? UNWATCHED, read.events, DURATION_SECONDS).session,
    );
  }
  const all = [...sessions.values()];
  return {
    events: all.reduce((sum, session) => sum + session.events, 0),
    watchedSeconds: all.reduce((sum, session) => sum + session.watchedSeconds, 0),
  };
}

function cmcdCpuMs(): number {
  const request = new Request('https://a.test/p/t/stream_720p_003.m4s', {
    headers: {
      'CMCD-Object': 'br=2800,d=6000,ot=v,tb=5000',
      'CMCD-Request': 'bl=21300,dl=21300,mtp=25400',
      'CMCD-Session': 'cid="film",sf=h,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v',
    },
  });
  const media = { sessionId: 's', name: 'stream_720p_003.m4s', atMs: 1 };
  const once = () =>
    recordOf(cmcdOf(request)!, media, 'Films/3.2.1 (Linux; Android 14) AndroidXMedia3/1.8.0');
  for (let warm = 0; warm < 2000; warm++) once();
  const startedAt = performance.now();
  for (let index = 0; index < CMCD_REQUESTS; index++) once();
  return (performance.now() - startedAt) / CMCD_REQUESTS;
}
