// Media by path token: /p/{token}/{objectKey}. The token is judged before any byte, cached or stored, is
// looked for, and no request here waits for D1.
import type { Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { contentOfPrefix, keyNumberIn } from '../../shared/object-keys.ts';
import type { AppEnv } from '../http/context.ts';
import { offeredSystems } from '../keys/offer.ts';
import { admit } from './admission.ts';
import { contentKeyAnswer } from './content-key.ts';
import { withFallback } from './fallback.ts';
import { isMediaName, nameUnder, splitMediaPath } from './path.ts';
import { playerRoutes } from './player-routes.ts';
import { isWithinCap } from './quality-cap.ts';
import { serveMedia } from './serve.ts';

/** A published generation never changes; the token in the path is the viewer's own, so copies are private. */
const CLIENT_CACHE = `private, max-age=${365 * DAY_SECONDS}, immutable, no-transform`;

export function mediaRoutes(): Hono<AppEnv> {
  return playerRoutes('/p/*', answerMedia);
}

async function answerMedia(c: Context<AppEnv>): Promise<Response> {
  const { origin, pathname } = new URL(c.req.url);
  const path = splitMediaPath(pathname);
  if (!path) throw new AppError('not_found');
  const claims = await admit(c, path.token, Date.now());
  const name = nameUnder(claims.pfx, path.key);
  if (name === undefined || !isWithinCap(name, claims.maxHeight))
    throw new AppError('playback_outside_token');
  if (!isMediaName(name)) throw new AppError('not_found');
  const keyNumber = keyNumberIn(name);
  if (keyNumber !== undefined) return await contentKeyAnswer(c, claims.pfx, keyNumber);
  const rewriting = withFallback(c.var.config, `/p/${path.token}/${claims.pfx}`);
  return await serveMedia(c, {
    ...(rewriting && { rewriting }),
    ...{ prefix: claims.pfx, name, clientCache: CLIENT_CACHE },
    maxRung: claims.maxHeight,
    licenses: {
      systems: offeredSystems(c.var.config),
      ...{ root: `${origin}/p/${path.token}/`, contentId: contentOfPrefix(claims.pfx) },
    },
  });
}
