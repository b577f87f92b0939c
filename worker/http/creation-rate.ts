// How often one owner may create uploads, whatever their method, and, counted apart, ask for preflights.
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/errors.ts';
import { MINUTE_SECONDS } from '../../shared/limits.ts';
import type { AppEnv } from './context.ts';

export const holdsCreationRate = rateOf((ownerId) => ownerId);
export const holdsPreflightRate = rateOf((ownerId) => `preflight:${ownerId}`);

/** Its handler throws AppError `rate_limited`. */
function rateOf(keyOf: (ownerId: string) => string) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const { config, caller } = c.var;
    if (config.RATE_LIMITS === 'on') {
      const { success } = await c.env.CREATE_LIMIT.limit({ key: keyOf(caller.ownerId) });
      if (!success) throw new AppError('rate_limited', { retryAfterSeconds: MINUTE_SECONDS });
    }
    await next();
  });
}
