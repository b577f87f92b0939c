// What operators and load balancers ask.
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from '../http/context.ts';
import { metricsRoutes } from './metrics-routes.ts';

export function opsRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  /** 200 when the configuration is complete (read on every request) and D1 answers. */
  app.get('/healthz', async (c) => {
    try {
      await c.env.DB.prepare('SELECT 1').first();
    } catch (cause) {
      throw new AppError('database_unavailable', { cause, retryAfterSeconds: 5 });
    }
    return c.json({ status: 'ok' }, 200, { 'Cache-Control': 'no-store' });
  });

  app.route('/', metricsRoutes());
  return app;
}
