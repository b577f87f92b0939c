// Beginning and renewing a session: region, entitlement, what there is to watch, and room for the viewer.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { MINUTE_SECONDS } from '../../shared/limits.ts';
import type { PlayRequest, RenewRequest } from '../../shared/play-api.ts';
import type { AppEnv } from '../http/context.ts';
import { newId } from '../http/idempotency.ts';
import { entitled } from './entitlement.ts';
import type { Grant } from './play-answer.ts';
import { playableOf } from './playable.ts';
import { refuseRegion } from './regions.ts';
import { extendSession, insertSession, type PlayableVideo, type PlaySession, videoOf } from './store.ts';
import { type Viewer, viewerOf } from './viewer.ts';
import { limitsOf, refuseWithoutRoom, requireDevice } from './viewer-limits.ts';

export async function beginSession(
  c: Context<AppEnv>,
  video: PlayableVideo,
  request: PlayRequest,
): Promise<Grant> {
  const viewer = viewerOf(c, request);
  const limits = limitsOf(c.var.config, viewer.id);
  requireDevice(limits, viewer.deviceId);
  refuseRegion(video.regions, viewer.country, c.var.config.REGION_UNKNOWN);
  const entitlement = await ask(c, 'play', video, viewer);
  const maxHeight = leastOf(request.maxHeight, entitlement.maxHeight);
  const { durationSeconds, ...playable } = await playableOf(c.env, video, maxHeight);
  const ttlSeconds = Math.min(
    c.var.config.PLAY_TTL_MAX_SECONDS,
    request.ttlSeconds ?? defaultTtlSeconds(durationSeconds),
  );
  const session = {
    ...{ id: newId(c), videoId: video.id, ttlSeconds, ...playable },
    ...{ ownerId: viewer.ownerId, viewerId: viewer.id, deviceId: viewer.deviceId, country: viewer.country },
  };
  const lifeSeconds = leastOf(ttlSeconds, entitlement.ttlSeconds);
  const begunAt = await insertSession(c.env.DB, session, limits, lifeSeconds);
  if (begunAt === undefined) {
    // What was in the way may be gone by now.
    const otherwise = new AppError('concurrent_sessions_exceeded', { retryAfterSeconds: 1 });
    throw await refusal(c, session, otherwise);
  }
  return { ...session, ...boundTo(video, viewer), notBefore: begunAt, expiresAt: begunAt + lifeSeconds };
}

/** The session with all its time before it, on the same generation. */
export async function renewSession(
  c: Context<AppEnv>,
  session: PlaySession,
  request: RenewRequest,
): Promise<Grant> {
  if (session.isRevoked) throw new AppError('playback_session_revoked');
  if (session.failure !== null) {
    throw new AppError('playback_generation_failed', {
      detail: `The video failed while it was being made: ${session.failure}`,
    });
  }
  const viewer = viewerOfSession(c, session, request);
  refuseRegion(session.regions, viewer.country, c.var.config.REGION_UNKNOWN);
  // A lower quality would change what stands behind the same path; it is for the next session.
  const entitlement = await ask(c, 'renew', { ...session, id: session.videoId }, viewer);
  const lifeSeconds = leastOf(session.ttlSeconds, entitlement.ttlSeconds);
  const limits = limitsOf(c.var.config, session.viewerId);
  const renewal = { ...session, country: viewer.country };
  const renewedAt = await extendSession(c.env.DB, renewal, limits, lifeSeconds);
  if (renewedAt === undefined) throw await refusal(c, session, new AppError('playback_session_revoked'));
  return {
    ...session,
    ...{ maxRung: session.maxRung ?? undefined, ...boundTo(session, viewer) },
    ...{ notBefore: renewedAt, expiresAt: renewedAt + lifeSeconds },
  };
}

/** Of a session's own viewer, wherever they are now; a server that does not say means where they were. */
function viewerOfSession(c: Context<AppEnv>, session: PlaySession, request: RenewRequest): Viewer {
  const known = { ...request, country: request.country ?? session.country ?? undefined };
  const { viewerId, deviceId } = session;
  return { ...viewerOf(c, known), id: viewerId, deviceId: deviceId ?? undefined };
}

function ask(
  c: Context<AppEnv>,
  action: 'play' | 'renew',
  video: { id: string; contentId: string | null },
  viewer: Viewer,
) {
  return entitled(
    { env: c.env, config: c.var.config, log: c.var.log },
    {
      action,
      ownerId: viewer.ownerId,
      viewerId: viewer.id === '' ? null : viewer.id,
      role: viewer.role,
      videoId: video.id,
      contentId: video.contentId,
      country: viewer.country ?? null,
      deviceId: viewer.deviceId ?? null,
    },
  );
}

/** A token of a video for all says nothing of the country: travelling costs nobody their film. */
function boundTo({ regions }: { regions: string[] }, { country, network }: Viewer) {
  return { country: regions.length === 0 ? undefined : country, network };
}

/** Why the statement that begins or renews a session has matched nothing. */
async function refusal(
  c: Context<AppEnv>,
  session: { videoId: string; ownerId: string; viewerId: string; deviceId: string | null | undefined },
  otherwise: AppError,
): Promise<AppError> {
  if (!(await videoOf(c.env.DB, session.videoId, session.ownerId))) return noSuchVideo();
  await refuseWithoutRoom(c.env.DB, limitsOf(c.var.config, session.viewerId), session);
  return otherwise;
}

export function noSuchVideo(): AppError {
  return new AppError('not_found', { detail: 'There is no such video.' });
}

/** Long enough to watch it once with pauses. */
function defaultTtlSeconds(durationSeconds: number): number {
  return Math.ceil(durationSeconds * 1.5) + 10 * MINUTE_SECONDS;
}

function leastOf(number: number, other: number | undefined): number;
function leastOf(number: number | undefined, other: number | undefined): number | undefined;
function leastOf(number: number | undefined, other: number | undefined): number | undefined {
  if (number === undefined || other === undefined) return number ?? other;
  return Math.min(number, other);
}
