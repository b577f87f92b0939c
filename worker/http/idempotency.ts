// Idempotency-Key on POST: the same request with the same key does its work once, however often it is sent
// within 24 hours. What is kept is the id of what the request makes, never an answer: answers hold URLs and
// tokens that expire, so a repetition gets the answer rendered again.
//
// Only successes are remembered. A refusal (4xx) has made nothing and its reason may pass: a client that waits
// or mends its request must not be told the old refusal for a day. After a failure (5xx) nobody knows what was
// made, so the key keeps the id and the next attempt looks for it first.
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import { errorFields } from '../../shared/log.ts';
import { toHex } from '../../shared/sign.ts';
import { readBytes } from './body.ts';
import type { AppEnv, Caller } from './context.ts';
import { claimKey, freeKey, type KeyClaim, type KeyRow, keepKey, yieldKey } from './idempotency-store.ts';

/** Answers with what the first request has made. @throws AppError `not_found` where it is not there. */
export type Replay = (c: Context<AppEnv>, resourceId: string) => Response | Promise<Response>;

/** Of the largest body such a request may have; each route has a bound of its own below it. */
const MAX_BODY_BYTES = 2 * MIB;
const IN_FLIGHT_RETRY_SECONDS = 1;

/** For a POST that makes something. Its handler gives the thing the id {@link newId}. */
export function idempotent(replay: Replay) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const claimed = await claimFor(c);
    if (!claimed) return next();
    const { claim, row, isFirst } = claimed;
    c.set('resourceId', row.resourceId);
    if (row.status !== null) return asReplay(await replay(c, row.resourceId));
    if (!isFirst) {
      // Somebody died half-way with this key, before or after the thing was made.
      const answer = await replayIfMade(c, replay, row.resourceId);
      if (answer) {
        await settle(c, claim, answer.status);
        return asReplay(answer);
      }
    }
    await next();
    await settle(c, claim, c.res.status);
  });
}

/**
 * For a POST that may run twice without harm, because it leads to the same state (complete, cancel, renew) or
 * leaves nothing behind but an answer (signed URLs, links, tickets). A repetition simply runs again; the key
 * still refuses another request and one that is under way.
 */
export const repeatable = createMiddleware<AppEnv>(async (c, next) => {
  const claimed = await claimFor(c);
  await next();
  if (!claimed) return;
  if (claimed.row.status === null) await settle(c, claimed.claim, c.res.status);
  else if (c.res.ok) asReplay(c.res);
});

/** The id of what this request makes: the same for every attempt with one Idempotency-Key. */
export function newId(c: Context<AppEnv>): string {
  return c.var.resourceId ?? crypto.randomUUID();
}

export type Claimed = { claim: KeyClaim; row: KeyRow; isFirst: boolean };

/** @returns undefined without a key. */
async function claimFor(c: Context<AppEnv>): Promise<Claimed | undefined> {
  const key = idempotencyKeyOf(c);
  return key === undefined ? undefined : takeKey(c, key, await hashOf(c));
}

/** @throws AppError `idempotency_key_invalid` */
export function idempotencyKeyOf(c: Context<AppEnv>): string | undefined {
  const key = c.req.header('Idempotency-Key');
  if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new AppError('idempotency_key_invalid', {
    detail: 'A key is 1 to 255 printable ASCII characters.',
  });
}

/**
 * The key for a request that `requestHash` stands for.
 *
 * @throws AppError `idempotency_key_reused`, `idempotency_in_flight`
 */
export async function takeKey(c: Context<AppEnv>, key: string, requestHash: string): Promise<Claimed> {
  const claim = {
    ...{ scope: scopeOf(c.var.caller), key, requestHash },
    ...{ resourceId: crypto.randomUUID(), holder: crypto.randomUUID() },
  };
  const row = await claimKey(c.env.DB, claim);
  if (row.requestHash !== claim.requestHash) {
    throw new AppError('idempotency_key_reused', {
      detail: 'This key came with another path or body before; a new request needs a new key.',
    });
  }
  if (row.status === null && row.holder !== claim.holder) {
    throw new AppError('idempotency_in_flight', { retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS });
  }
  return { claim, row, isFirst: row.resourceId === claim.resourceId };
}

/** Guests of a watch link, and people who share a library, must not get in each other's way. */
function scopeOf({ ownerId, onlyVideoId, subject = ownerId }: Caller): string {
  if (onlyVideoId !== undefined) return `guest:${onlyVideoId}`;
  return subject === ownerId ? `owner:${ownerId}` : `subject:${JSON.stringify([ownerId, subject])}`;
}

/** tus says in headers what other requests say in their body. */
const HEADERS_THAT_MATTER = ['Upload-Length', 'Upload-Defer-Length', 'Upload-Metadata'];

/** Of method, path and body, byte by byte. The body is read for it and put back. */
async function hashOf(c: Context<AppEnv>): Promise<string> {
  const body = await readBytes(c.req.raw, MAX_BODY_BYTES);
  const { pathname, search } = new URL(c.req.url);
  const headers = HEADERS_THAT_MATTER.map((name) => `${c.req.header(name) ?? ''}\n`).join('');
  const head = new TextEncoder().encode(`${c.req.method} ${pathname}${search}\n${headers}`);
  c.req.raw = new Request(c.req.raw, { body: body.byteLength > 0 ? body : null });
  return toHex(await crypto.subtle.digest('SHA-256', await new Blob([head, body]).arrayBuffer()));
}

async function replayIfMade(
  c: Context<AppEnv>,
  replay: Replay,
  resourceId: string,
): Promise<Response | undefined> {
  try {
    return await replay(c, resourceId);
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** The answer goes out whatever becomes of the key; in the worst case its lease lapses. */
export async function settle(c: Context<AppEnv>, claim: KeyClaim, status: number): Promise<void> {
  try {
    if (status >= 500) await yieldKey(c.env.DB, claim);
    else if (status >= 400) await freeKey(c.env.DB, claim);
    else await keepKey(c.env.DB, claim, status);
  } catch (error) {
    c.var.log.warn('idempotency.settle_failed', errorFields(error));
  }
}

function asReplay(answer: Response): Response {
  answer.headers.set('Idempotency-Replayed', 'true');
  return answer;
}
