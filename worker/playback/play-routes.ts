// Play sessions over HTTP: who may begin, renew and end which.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { PlayRequest, RenewRequest, type WatchLink } from '../../shared/play-api.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { signToken, type WatchClaims } from '../../shared/sign.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv, Caller } from '../http/context.ts';
import { idempotent, repeatable } from '../http/idempotency.ts';
import { mayActFor } from '../http/may-act-for.ts';
import { playAnswer } from './play-answer.ts';
import { noteRevoked } from './revocations.ts';
import { beginSession, noSuchVideo, renewSession } from './sessions.ts';
import { type PlayableVideo, type PlaySession, revokeSession, sessionOf, videoOf } from './store.ts';

const WATCH_LINK_TTL_SECONDS = DAY_SECONDS;

export function playRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/videos/:id/play', requires('uploader', 'viewer'), idempotent(playedAgain), async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const request = await jsonBody(c, PlayRequest);
    return c.json(await playAnswer(c, await beginSession(c, video, request)));
  });

  app.post('/v1/videos/:id/watch-link', requires('uploader'), repeatable, async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const exp = Math.floor(Date.now() / 1000) + WATCH_LINK_TTL_SECONDS;
    const claims: WatchClaims = { video: video.id, owner: video.ownerId, exp };
    const token = await signToken('watch', claims, c.var.config.SIGNING_KEYS);
    const { origin } = new URL(c.req.url);
    const link: WatchLink = { url: `${origin}/watch/${video.id}#t=${token}`, expiresAt: rfc3339(exp) };
    return c.json(link, 201);
  });

  app.post('/v1/sessions/:id/renew', requires('uploader', 'viewer'), repeatable, async (c) => {
    const session = await ownSession(c, c.req.param('id'));
    const request = await jsonBody(c, RenewRequest);
    return c.json(await playAnswer(c, await renewSession(c, session, request)));
  });

  app.delete('/v1/sessions/:id', requires('uploader', 'viewer'), async (c) => {
    const session = await ownSession(c, c.req.param('id'));
    await revokeSession(c.env.DB, session.id);
    noteRevoked(session.id, Date.now());
    return c.body(null, 204);
  });

  return app;
}

/** The same request once more: the session it has begun, with all its time before it. */
async function playedAgain(c: Context<AppEnv>, sessionId: string): Promise<Response> {
  const session = await ownSession(c, sessionId);
  const { country, clientIp } = await jsonBody(c, PlayRequest);
  return c.json(await playAnswer(c, await renewSession(c, session, { country, clientIp })));
}

async function ownVideo(c: Context<AppEnv>, videoId: string): Promise<PlayableVideo> {
  const { caller } = c.var;
  const video = mayTouch(caller, videoId) ? await videoOf(c.env.DB, videoId, caller.ownerId) : undefined;
  if (!video) throw noSuchVideo();
  return video;
}

/** Whoever has the media URL knows the session's id; that opens nothing without being its viewer. */
async function ownSession(c: Context<AppEnv>, sessionId: string): Promise<PlaySession> {
  const { caller } = c.var;
  const session = await sessionOf(c.env.DB, sessionId, caller.ownerId);
  if (!session || !mayTouch(caller, session.videoId) || !mayActFor(caller, session.viewerId)) {
    throw new AppError('not_found', { detail: 'There is no such session.' });
  }
  return session;
}

function mayTouch(caller: Caller, videoId: string): boolean {
  return caller.onlyVideoId === undefined || caller.onlyVideoId === videoId;
}
