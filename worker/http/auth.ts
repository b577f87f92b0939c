// Who is asking: a JWT, an API key or the token of a watch link, always as `Authorization: Bearer`.
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { Role } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { verifyToken, WatchClaims } from '../../shared/sign.ts';
import { traceparentOf } from '../../shared/trace-context.ts';
import type { Config } from '../env.ts';
import { ownerOfApiKey } from './api-keys.ts';
import type { AppEnv, Caller } from './context.ts';
import { verifyJwt } from './jwt.ts';

/** Sets `caller`. @throws AppError `unauthorized`, `token_expired`, or `forbidden` for a guest off its paths. */
export const authenticate = createMiddleware<AppEnv>(async (c, next) => {
  const token = bearerOf(c);
  if (!token)
    throw new AppError('unauthorized', { detail: 'Send Authorization: Bearer with a token or an API key.' });
  const caller = await callerOf(token, c.env.DB, c.var.config);
  if (caller.onlyVideoId !== undefined && !isOpenToGuests(c.req.method, c.req.path)) {
    throw new AppError('forbidden', { detail: 'A watch link plays its video and nothing else.' });
  }
  const { trace } = c.var;
  c.set('caller', { ...caller, ...(trace && { traceparent: traceparentOf(trace) }) });
  await next();
});

/** What stands in `Authorization: Bearer`; empty where nothing does. */
export function bearerOf(c: Context): string {
  return /^Bearer +(\S+)$/i.exec(c.req.header('Authorization') ?? '')?.[1] ?? '';
}

/** Lets these roles pass; `admin` always may. */
export function requires(...roles: Role[]) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const { role } = c.var.caller;
    if (role !== 'admin' && !roles.includes(role)) {
      throw new AppError('forbidden', { detail: `This needs the role ${['admin', ...roles].join(' or ')}.` });
    }
    await next();
  });
}

async function callerOf(token: string, db: D1Database, config: Config): Promise<Caller> {
  if (token.startsWith('rk_')) {
    const owner = await ownerOfApiKey(db, token);
    if (!owner) throw new AppError('unauthorized', { detail: 'This API key is unknown or revoked.' });
    return { ...owner, via: 'api-key' };
  }
  if (token.startsWith('v1.')) {
    const claims = await verifyToken('watch', token, config.SIGNING_KEYS, WatchClaims);
    if (!claims) throw new AppError('unauthorized');
    if (claims.exp * 1000 <= Date.now())
      throw new AppError('token_expired', { detail: 'This link has expired.' });
    return { ownerId: claims.owner, role: 'viewer', via: 'watch-link', onlyVideoId: claims.video };
  }
  return { ...(await verifyJwt(token, config)), via: 'jwt' };
}

/** What the guest of a watch link may ask for; the routes check that it is about the link's own video. */
const GUEST_ROUTES: [method: string, path: RegExp][] = [
  ['GET', /^\/v1\/videos\/[^/]+$/],
  ['POST', /^\/v1\/videos\/[^/]+\/play$/],
  ['POST', /^\/v1\/sessions\/[^/]+\/renew$/],
  ['DELETE', /^\/v1\/sessions\/[^/]+$/],
  ['GET', /^\/v1\/jobs\/[^/]+$/],
  ['GET', /^\/v1\/jobs\/[^/]+\/events$/],
  ['POST', /^\/v1\/jobs\/[^/]+\/ticket$/],
  ['POST', /^\/v1\/rooms\/[^/]+\/tickets$/],
];

function isOpenToGuests(method: string, path: string): boolean {
  return GUEST_ROUTES.some(([guestMethod, guestPath]) => method === guestMethod && guestPath.test(path));
}
