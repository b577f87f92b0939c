// Play sessions: who may play what, for how long, and the URLs that say so.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS, MINUTE_SECONDS } from '../../shared/limits.ts';
import { CHAPTERS, dashName, masterName, POSTER, PREVIEW, STORYBOARD } from '../../shared/object-keys.ts';
import { type PlayAnswer, PlayRequest, type WatchLink } from '../../shared/play-api.ts';
import { type PlayClaims, signToken, type WatchClaims } from '../../shared/sign.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv, Caller } from '../http/context.ts';
import { idempotent, newId, repeatable } from '../http/idempotency.ts';
import { growingPlay } from './growing-play.ts';
import { highestRung } from './quality-cap.ts';
import { noteRevoked } from './revocations.ts';
import {
  extendSession,
  insertSession,
  type PlayableVideo,
  type PlaySession,
  revokeSession,
  sessionOf,
  videoOf,
} from './store.ts';

const MAX_TTL_SECONDS = DAY_SECONDS;
const WATCH_LINK_TTL_SECONDS = DAY_SECONDS;
const NOT_PLAYABLE_RETRY_SECONDS = 2;

export function playRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/videos/:id/play', requires('uploader', 'viewer'), idempotent(renewed), async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const request = await jsonBody(c, PlayRequest);
    const { durationSeconds, ...playable } = await playableOf(c, video, request.maxHeight);
    const session = {
      id: newId(c),
      videoId: video.id,
      viewerId: c.var.caller.ownerId,
      deviceId: request.deviceId,
      ttlSeconds: request.ttlSeconds ?? defaultTtlSeconds(durationSeconds),
      ...playable,
    };
    const expiresAt = await insertSession(c.env.DB, session);
    if (expiresAt === undefined) throw noSuchVideo();
    return c.json(await answer(c, { ...session, expiresAt }));
  });

  app.post('/v1/videos/:id/watch-link', requires('uploader'), repeatable, async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const exp = Math.floor(Date.now() / 1000) + WATCH_LINK_TTL_SECONDS;
    const claims: WatchClaims = { video: video.id, owner: video.ownerId, exp };
    const token = await signToken('watch', claims, c.var.config.SIGNING_KEYS);
    const { origin } = new URL(c.req.url);
    const link: WatchLink = { url: `${origin}/watch/${video.id}#t=${token}`, expiresAt: timestamp(exp) };
    return c.json(link, 201);
  });

  app.post('/v1/sessions/:id/renew', requires('uploader', 'viewer'), repeatable, (c) =>
    renewed(c, c.req.param('id')),
  );

  app.delete('/v1/sessions/:id', requires('uploader', 'viewer'), async (c) => {
    const session = await ownSession(c, c.req.param('id'));
    await revokeSession(c.env.DB, session.id);
    noteRevoked(session.id, Date.now());
    return c.body(null, 204);
  });

  return app;
}

type Playable = Omit<Grant, 'id' | 'expiresAt'> & { durationSeconds: number };

/** What is published, or as long as nothing is, what can be watched while it is made. */
async function playableOf(
  c: Context<AppEnv>,
  { id, state, errorDetail, outputPrefix, presentation, manifestRevision }: PlayableVideo,
  maxHeight: number | undefined,
): Promise<Playable> {
  if (outputPrefix && presentation) {
    const {
      durationSeconds,
      renditions,
      hasPoster,
      hasStoryboard = false,
      hasPreview = false,
    } = presentation;
    const maxRung = maxHeight === undefined ? undefined : highestRung(renditions, maxHeight);
    const hasChapters = (presentation.chapters ?? []).length > 0;
    const has = { isFinished: true, hasPoster, hasStoryboard, hasPreview, hasChapters };
    return { outputPrefix, durationSeconds, maxRung, manifestRevision, ...has };
  }
  const growing =
    state === 'playable'
      ? await growingPlay({ bucket: c.env.MEDIA, db: c.env.DB }, id, maxHeight)
      : undefined;
  if (growing) {
    const has = { hasPoster: false, hasStoryboard: false, hasPreview: false, hasChapters: false };
    return { ...growing, isFinished: false, manifestRevision: 0, ...has };
  }
  if (state === 'failed') {
    throw new AppError('video_not_playable', {
      detail: `This video could not be processed. ${errorDetail ?? ''}`.trim(),
    });
  }
  throw new AppError('video_not_playable', {
    detail: 'Nothing of this video is published yet.',
    retryAfterSeconds: NOT_PLAYABLE_RETRY_SECONDS,
  });
}

/** The session with all its time before it. */
async function renewed(c: Context<AppEnv>, sessionId: string): Promise<Response> {
  const session = await ownSession(c, sessionId);
  if (session.failure !== null && !session.isRevoked) {
    throw new AppError('playback_generation_failed', {
      detail: `The video failed while it was being made: ${session.failure}`,
    });
  }
  const expiresAt = session.isRevoked ? undefined : await extendSession(c.env.DB, session);
  if (expiresAt === undefined) throw new AppError('playback_session_revoked');
  return c.json(await answer(c, { ...session, maxRung: session.maxRung ?? undefined, expiresAt }));
}

async function ownVideo(c: Context<AppEnv>, videoId: string): Promise<PlayableVideo> {
  const { caller } = c.var;
  const video = mayTouch(caller, videoId) ? await videoOf(c.env.DB, videoId, caller.ownerId) : undefined;
  if (!video) throw noSuchVideo();
  return video;
}

function noSuchVideo(): AppError {
  return new AppError('not_found', { detail: 'There is no such video.' });
}

async function ownSession(c: Context<AppEnv>, sessionId: string): Promise<PlaySession> {
  const { caller } = c.var;
  const session = await sessionOf(c.env.DB, sessionId, caller.ownerId);
  if (!session || !mayTouch(caller, session.videoId)) {
    throw new AppError('not_found', { detail: 'There is no such session.' });
  }
  return session;
}

function mayTouch(caller: Caller, videoId: string): boolean {
  return caller.onlyVideoId === undefined || caller.onlyVideoId === videoId;
}

/** Long enough to watch it once with pauses. */
function defaultTtlSeconds(durationSeconds: number): number {
  return Math.min(MAX_TTL_SECONDS, Math.ceil(durationSeconds * 1.5) + 10 * MINUTE_SECONDS);
}

type Grant = {
  id: string;
  outputPrefix: string;
  maxRung: number | undefined;
  isFinished: boolean;
  hasPoster: boolean;
  hasStoryboard: boolean;
  hasPreview: boolean;
  hasChapters: boolean;
  /** Of the manifests; a session keeps those it began with. */
  manifestRevision: number;
  expiresAt: number;
};

async function answer(c: Context<AppEnv>, grant: Grant): Promise<PlayAnswer> {
  const claims: PlayClaims = {
    pfx: grant.outputPrefix,
    use: 'play',
    exp: grant.expiresAt,
    sid: grant.id,
    ...(grant.maxRung === undefined ? {} : { maxHeight: grant.maxRung }),
  };
  const token = await signToken('play', claims, c.var.config.SIGNING_KEYS);
  const base = `${new URL(c.req.url).origin}/p/${token}/${grant.outputPrefix}`;
  c.header('Cache-Control', 'no-store');
  return {
    sessionId: grant.id,
    hls: base + masterName(grant.manifestRevision),
    ...(grant.isFinished ? { dash: base + dashName(grant.manifestRevision) } : {}),
    ...(grant.hasPoster ? { poster: base + POSTER } : {}),
    ...(grant.hasStoryboard ? { storyboard: base + STORYBOARD } : {}),
    ...(grant.hasPreview ? { preview: base + PREVIEW } : {}),
    ...(grant.hasChapters ? { chapters: base + CHAPTERS } : {}),
    expiresAt: timestamp(grant.expiresAt),
  };
}

function timestamp(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}
