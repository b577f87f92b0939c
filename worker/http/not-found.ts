// A path nobody answers: 405 where another method would do (RFC 9110 §15.5.6), else 404.
import type { Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from './context.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export function refuseUnknown(app: Hono<AppEnv>) {
  return (c: Context<AppEnv>): Response => {
    const allowed = METHODS.filter((method) => isRoute(app, method === 'HEAD' ? 'GET' : method, c.req.path));
    if (allowed.length === 0) throw new AppError('not_found');
    throw new AppError('method_not_allowed', { headers: { Allow: allowed.join(', ') } });
  };
}

/** Middleware is registered for every method and answers nothing of its own. */
function isRoute(app: Hono<AppEnv>, method: string, path: string): boolean {
  const [matches] = app.router.match(method, path);
  return matches.some(([[, route]]) => route.method === method);
}
