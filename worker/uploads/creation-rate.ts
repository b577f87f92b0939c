// How often one owner may create uploads, whatever their method.
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/errors.ts';
import { MINUTE_SECONDS } from '../../shared/limits.ts';
import type { AppEnv } from '../http/context.ts';

/** @throws AppError `rate_limited` */
export const holdsCreationRate = createMiddleware<AppEnv>(async (c, next) => {
  const { config, caller } = c.var;
  if (config.RATE_LIMITS === 'on') {
    const { success } = await c.env.CREATE_LIMIT.limit({ key: caller.ownerId });
    if (!success) throw new AppError('rate_limited', { retryAfterSeconds: MINUTE_SECONDS });
  }
  await next();
});
