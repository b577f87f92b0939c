// What every URL that players load has in common: its methods, who may read the answers, and that failures are
// not kept.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { AppEnv } from '../http/context.ts';

const METHODS = 'GET, HEAD, OPTIONS';

/** Players run on any page, and the token, not the origin, is what lets them in. */
const PLAYER_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Length, Content-Range, ETag',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const PREFLIGHT_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Methods': METHODS,
  'Access-Control-Allow-Headers':
    'Range, If-Range, If-None-Match, If-Modified-Since, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status',
  'Access-Control-Max-Age': String(DAY_SECONDS),
};

/** @param pattern such as `/p/*` */
export function playerRoutes(
  pattern: string,
  answer: (c: Context<AppEnv>) => Promise<Response>,
): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(pattern, async (c, next) => {
    await next();
    // Errors too: a player told nothing but "network error" cannot do the right thing.
    // Straight into the answer: `c.header` would make a new one for each, with a stream in place of its bytes.
    const { headers, status } = c.res;
    for (const [name, value] of Object.entries(PLAYER_HEADERS)) headers.set(name, value);
    if (status >= 400) headers.set('Cache-Control', 'no-store');
  });
  app.options(pattern, (c) => c.body(null, 204, PREFLIGHT_HEADERS));
  app.get(pattern, answer); // HEAD as well: Hono routes it here and drops the body
  app.all(pattern, () => {
    throw new AppError('method_not_allowed', { headers: { Allow: METHODS } });
  });
  return app;
}
