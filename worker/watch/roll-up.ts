// A batch of the queue into sums: reads what is stored of its sessions, adds what is new, writes all of it in one
// transaction. Events are told apart by their numbers and records by their time, so a batch may come twice.
import { DAY_SECONDS } from '../../shared/limits.ts';
import { UNWATCHED, watch } from '../../shared/watch-session.ts';
import { configOf, type Env } from '../env.ts';
import { keepAliveStatement } from './alive.ts';
import type { Heard } from './consumer.ts';
import { addHour, type Hours, qoeOf } from './qoe.ts';
import {
  type DayWrite,
  dayStatement,
  hourStatement,
  type KnownSession,
  knownSessions,
  lossStatement,
  type QoeWrite,
  qoeStatement,
  type WatchWrite,
  watchStatement,
} from './store.ts';

type Writes = {
  watches: WatchWrite[];
  days: Map<string, DayWrite>;
  qoes: QoeWrite[];
  hours: Hours;
  losses: Record<string, number>;
};

/** @throws where another has written one of the sessions since they were read; nothing is written then */
export async function rollUp(
  env: Env,
  heard: ReadonlyMap<string, Heard>,
  losses: Record<string, number>,
): Promise<void> {
  const { DB } = env;
  const known = heard.size > 0 ? await knownSessions(DB, [...heard.keys()]) : [];
  const writes: Writes = { watches: [], days: new Map(), qoes: [], hours: new Map(), losses: { ...losses } };
  let unknown = heard.size - known.length;
  for (const session of known) {
    const said = heard.get(session.id)!;
    if (said.ownerId !== undefined && said.ownerId !== session.ownerId) unknown++;
    else add(writes, session, said);
  }
  writes.losses.session_unknown = unknown;
  const { watches, qoes } = writes;
  const statements = [
    ...(watches.length > 0 ? [watchStatement(DB, watches), dayStatement(DB, [...writes.days.values()])] : []),
    ...(qoes.length > 0 ? [qoeStatement(DB, qoes)] : []),
    ...(writes.hours.size > 0 ? [hourStatement(DB, [...writes.hours.values()])] : []),
    ...(Object.values(writes.losses).some((count) => count > 0) ? [lossStatement(DB, writes.losses)] : []),
    ...(watches.length > 0
      ? [
          keepAliveStatement(
            DB,
            configOf(env).MAX_CONCURRENT_SESSIONS,
            watches.map(({ session }) => session.id),
          ),
        ]
      : []),
  ];
  if (statements.length > 0) await DB.batch(statements);
}

function add(writes: Writes, session: KnownSession, said: Heard): void {
  const {
    session: watched,
    delta,
    fresh,
  } = watch(session.watched ?? UNWATCHED, said.events, session.durationSeconds);
  const repeated = said.events.length - fresh.length;
  if (repeated > 0) writes.losses.repeated = (writes.losses.repeated ?? 0) + repeated;
  if (fresh.length > 0) {
    writes.watches.push({ session, watched, app: said.app });
    addDay(writes.days, session, { ...delta, sessions: session.watched ? 0 : 1 });
  }
  const heard = qoeOf(session, said, fresh);
  if (!heard) return;
  writes.qoes.push({ session, qoe: heard.qoe });
  if (heard.late > 0) writes.losses.cmcd_late = (writes.losses.cmcd_late ?? 0) + heard.late;
  for (const hour of heard.hours) addHour(writes.hours, hour);
}

function addDay(
  days: Writes['days'],
  { videoId, ownerId, begunAt }: KnownSession,
  delta: Omit<DayWrite, 'videoId' | 'ownerId' | 'day'>,
): void {
  const day = Math.floor(begunAt / DAY_SECONDS);
  const key = `${videoId} ${day}`;
  const sum = days.get(key);
  if (!sum) {
    days.set(key, { ...delta, videoId, ownerId, day });
    return;
  }
  for (const name of ['sessions', 'events', 'views', 'completions', 'watchedSeconds', 'fractions'] as const)
    sum[name] += delta[name];
  sum.reached = sum.reached.map((value, part) => value + delta.reached[part]!);
  sum.played = sum.played.map((value, part) => value + delta.played[part]!);
}
