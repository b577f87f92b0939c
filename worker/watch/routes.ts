// POST /v1/watch: what players tell of what is watched. The session is proved by its playback token, in the body
// since a page that closes can set no header, or by the credential of the session's owner.
import { type Context, Hono } from 'hono';
import { appOf, type WatchMessage } from '../../shared/cmcd-record.ts';
import { AppError } from '../../shared/errors.ts';
import { MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { PlayClaims, verifyToken } from '../../shared/sign.ts';
import { judgeEvents, WATCH_BODY_LIMIT_BYTES, WatchRequest } from '../../shared/watch-api.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { meter } from '../http/meter.ts';
import { ownsSession } from './store.ts';

export const WATCH_PATH = '/v1/watch';
/** The last words of a session may come when its token has just expired. */
const GRACE_SECONDS = 10 * MINUTE_SECONDS;

export function watchEventRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.post(WATCH_PATH, async (c, next) => {
    // Players run on any page, and what lets an event in is its token.
    c.header('Access-Control-Allow-Origin', '*');
    if (c.req.header('Authorization') === undefined) return await takeEvents(c);
    return await next();
  });
  app.post(WATCH_PATH, requires('uploader', 'viewer'), takeEvents);
  return app;
}

async function takeEvents(c: Context<AppEnv>): Promise<Response> {
  // sendBeacon says text/plain; what counts is that it is JSON.
  const { sessionId, token, events } = await jsonBody(c, WatchRequest, WATCH_BODY_LIMIT_BYTES);
  const { caller } = c.var;
  if (caller) await requireOwn(c, sessionId);
  else await requireToken(c, sessionId, token);
  const { taken, answer } = judgeEvents(events, Date.now());
  const { clipped, reasons } = answer;
  for (const [reason, count] of Object.entries({ ...reasons, ...(clipped > 0 && { clipped }) }))
    meter.count('reelay_watch_dropped_total', { reason }, count);
  if (taken.length > 0) {
    const message: WatchMessage = {
      ...{ kind: 'events', sessionId, events: taken },
      ...(caller && { ownerId: caller.ownerId }),
      app: appOf(c.req.header('User-Agent')),
    };
    await c.env.WATCH.send(message);
  }
  return c.json(answer, 202);
}

async function requireToken(c: Context<AppEnv>, sessionId: string, token: string | undefined): Promise<void> {
  if (token === undefined) {
    throw new AppError('unauthorized', {
      detail: 'Send the session’s playback token as "token", or Authorization: Bearer.',
    });
  }
  const claims = await verifyToken('play', token, c.var.config.SIGNING_KEYS, PlayClaims);
  if (!claims) throw new AppError('playback_token_invalid');
  if (claims.exp + GRACE_SECONDS <= Date.now() / SECOND_MS) throw new AppError('playback_token_expired');
  if (claims.sid !== sessionId) {
    throw new AppError('playback_outside_token', { detail: 'The token belongs to another session.' });
  }
}

async function requireOwn(c: Context<AppEnv>, sessionId: string): Promise<void> {
  if (!(await ownsSession(c.env.DB, sessionId, c.var.caller))) {
    throw new AppError('not_found', { detail: 'There is no such session.' });
  }
}
