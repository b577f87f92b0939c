// A path nobody answers: 405 where another method would do (RFC 9110 §15.5.6), else 404.
import type { Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from './context.ts';
import { renderError } from './errors.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export function refuseUnknown(app: Hono<AppEnv>) {
  return (c: Context<AppEnv>): Response => {
    const allowed = METHODS.filter((method) => isRoute(app, method === 'HEAD' ? 'GET' : method, c.req.path));
    // Not thrown: where one middleware is all that matched, Hono would carry an error past it, and the request
    // would have neither its log line nor its id in the answer.
    return renderError(
      allowed.length === 0
        ? new AppError('not_found')
        : new AppError('method_not_allowed', { headers: { Allow: allowed.join(', ') } }),
      c,
    );
  };
}

/** Middleware is registered for every method and answers nothing of its own. */
function isRoute(app: Hono<AppEnv>, method: string, path: string): boolean {
  const [matches] = app.router.match(method, path);
  return matches.some(([[, route]]) => route.method === method);
}
