// Which pages may open a connection that CORS does not hold back: a page of another site could open a WebSocket in
// a visitor's browser.
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from './context.ts';

/** @throws AppError `origin_not_allowed` */
export const fromAllowedOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const origin = c.req.header('origin');
  const isAllowed =
    origin === undefined ||
    origin === new URL(c.req.url).origin ||
    c.var.config.CORS_ORIGINS.includes(origin);
  if (!isAllowed)
    throw new AppError('origin_not_allowed', { detail: `The origin ${origin} is not allowed here.` });
  await next();
});
