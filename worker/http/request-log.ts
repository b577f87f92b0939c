// Gives a request its id and writes one line about it, but for media that was served. The line names the route's
// pattern, never the path: paths of the playback routes carry tokens.
import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import { createLog } from '../../shared/log.ts';
import { configOf } from '../env.ts';
import type { AppEnv } from './context.ts';

/**
 * Segments come by the hundred for every play, and a line about each took a third of the CPU time of serving it.
 * What of them did not go well is told.
 */
const MEDIA = /^\/(?:p|hls)\//;

export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const startedMs = Date.now();
  const requestId = crypto.randomUUID();
  c.set('requestId', requestId);
  c.set('log', createLog({ requestId }));
  c.set('config', configOf(c.env));
  await next();
  // A WebSocket's 101 has immutable headers.
  if (c.res.status !== 101) c.res.headers.set('X-Request-Id', requestId);
  if (c.res.status < 400 && MEDIA.test(c.req.path)) return;
  c.var.log.info('http.request', {
    method: c.req.method,
    route: routePath(c, -1),
    status: c.res.status,
    durationMs: Date.now() - startedMs,
  });
});
