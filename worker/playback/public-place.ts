// What everybody may watch at a place such as `hls/movies/123/`, as of a few seconds ago. The answer is held by the
// isolate and, with the time it was read at, by the data centre, so that media requests do not wait for D1.
import { SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { BoundedMap } from './bounded-map.ts';
import { type PublicPlace, placeIn } from './public-store.ts';

/** How long a change of visibility, a deletion or a new generation may stay unseen. */
const PLACE_AGE_MS = 5 * SECOND_MS;
/** Nothing was there: soon something may be, and nobody else is told. */
const NOTHING_AGE_MS = SECOND_MS;
const MAX_HELD = 1000;

type Held = { place: PublicPlace | undefined; takenAtMs: number };

// Values alone: a promise of one request may never settle for another.
const places = new BoundedMap<string, Held>(MAX_HELD);

export type PlaceSources = {
  db: D1Database;
  cache: Cache;
  log: Log;
  nowMs: number;
  waitUntil(work: Promise<unknown>): void;
};

export type PlaceName = { kind: 'movie' | 'episode' | 'video'; id: string };

export async function publicPlace(name: PlaceName, sources: PlaceSources): Promise<PublicPlace | undefined> {
  const { db, cache, log, nowMs, waitUntil } = sources;
  const key = `${name.kind}/${name.id}`;
  const held = places.get(key);
  if (held && isFresh(held, nowMs)) return held.place;
  const near = await cache.match(cacheKeyOf(key));
  const shared = near && ((await near.json()) as Held);
  if (shared && isFresh(shared, nowMs)) return hold(key, shared);
  try {
    const taken = { place: await placeIn(db, name), takenAtMs: nowMs };
    if (taken.place) waitUntil(cache.put(cacheKeyOf(key), cacheEntry(taken)));
    return hold(key, taken);
  } catch (error) {
    // While D1 is away nothing can have changed that we could know of; the next look is due in its time.
    if (!held?.place) throw error;
    log.warn('playback.place_stale', errorFields(error));
    return hold(key, { ...held, takenAtMs: nowMs });
  }
}

function isFresh({ place, takenAtMs }: Held, nowMs: number): boolean {
  const ageMs = nowMs - takenAtMs;
  return ageMs >= 0 && ageMs < (place ? PLACE_AGE_MS : NOTHING_AGE_MS);
}

function hold(key: string, held: Held): PublicPlace | undefined {
  places.delete(key);
  places.set(key, held);
  return held.place;
}

/** A URL of no real host, apart from those of objects. */
function cacheKeyOf(key: string): string {
  return `https://places.reelay.internal/${key}`;
}

function cacheEntry(held: Held): Response {
  return Response.json(held, { headers: { 'Cache-Control': `public, max-age=${PLACE_AGE_MS / SECOND_MS}` } });
}
