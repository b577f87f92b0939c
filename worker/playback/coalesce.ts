// One read for all requests of an isolate that want the same thing at the same time. Requests share values alone:
// workerd lets none touch another's streams, and a promise of another may settle in the wrong context, or never,
// when its request is gone. So those who wait look for the value again and again, by timers of their own.
// https://developers.cloudflare.com/workers/observability/errors/#cannot-perform-io-on-behalf-of-a-different-request

type Outcome<T> = { value: T | undefined } | { error: unknown };

type Flight = {
  /** Place in the order of all requests and reads here. */
  order: number;
  outcome?: Outcome<unknown>;
};

const FIRST_LOOK_MS = 1;
/** R2 takes tens of milliseconds; a thousand who wait are then a thousand short turns in that time. */
const LOOK_MS = 16;

/** A read that has not ended after this long may have died with its request: somebody else reads then. */
const PATIENCE_MS = 5000;

const flights = new Map<string, Flight>();
let lastOrder = 0;

/**
 * What `read` finds under `key`, by one call for all who ask while it runs. A failure is everybody's who waited,
 * and nobody's after that. That there is nothing counts only for those who asked before the read began: for the
 * others it may have been written meanwhile.
 *
 * @param read undefined where there is nothing; what it returns is shared and must not be a stream or its like
 */
export async function coalesced<T>(
  key: string,
  read: () => Promise<T | undefined>,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<T | undefined> {
  const arrived = ++lastOrder;
  for (;;) {
    const flight = flights.get(key);
    if (!flight) return await lead(key, read, waitUntil);
    const outcome = await landing<T>(flight);
    if (!outcome) {
      if (flights.get(key) === flight) flights.delete(key);
    } else if ('error' in outcome) {
      throw outcome.error;
    } else if (outcome.value !== undefined || flight.order > arrived) {
      return outcome.value;
    }
  }
}

async function lead<T>(
  key: string,
  read: () => Promise<T | undefined>,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<T | undefined> {
  const flight: Flight = { order: ++lastOrder };
  flights.set(key, flight);
  const work = outcomeOf(read).then((outcome) => {
    if (flights.get(key) === flight) flights.delete(key);
    flight.outcome = outcome;
    return outcome;
  });
  // The first to ask may hang up; the read goes on for the others.
  waitUntil(work);
  const outcome = await work;
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

async function outcomeOf<T>(read: () => Promise<T | undefined>): Promise<Outcome<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { error };
  }
}

/** How the flight ended; undefined when patience did. */
async function landing<T>(flight: Flight): Promise<Outcome<T> | undefined> {
  const untilMs = Date.now() + PATIENCE_MS;
  for (let waitMs = FIRST_LOOK_MS; !flight.outcome && Date.now() < untilMs; waitMs *= 2) {
    await scheduler.wait(Math.min(waitMs, LOOK_MS));
  }
  return flight.outcome as Outcome<T> | undefined;
}
