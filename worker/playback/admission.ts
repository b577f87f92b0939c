// Who may read under a path token: judged before anything, cached or stored, is looked for, and without D1.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { PlayClaims } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import { isInPlace } from './place.ts';
import { isRevoked } from './revocations.ts';
import { verifiedClaims } from './verified-tokens.ts';

/** @throws AppError `playback_token_invalid`, `_expired` or `_elsewhere`, `playback_session_revoked` */
export async function admit(c: Context<AppEnv>, token: string, nowMs: number): Promise<PlayClaims> {
  const claims = await verifiedClaims(token, c.var.config.SIGNING_KEYS, Math.floor(nowMs / 1000));
  const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
  if (isRevoked(claims.sid, { db: c.env.DB, log: c.var.log, nowMs, waitUntil })) {
    throw new AppError('playback_session_revoked');
  }
  if (!isInPlace(claims, c.req.raw)) throw new AppError('playback_token_elsewhere');
  return claims;
}
