// Gives a request its id and its place in a trace, counts it, and writes one line about it, but for media that was
// served. Line and count name the route's pattern, never the path: paths of the playback routes carry tokens.
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import { createLog } from '../../shared/log.ts';
import { childOf, parseTraceparent, type TraceContext, traceOfRequest } from '../../shared/trace-context.ts';
import { configOf } from '../env.ts';
import type { AppEnv } from './context.ts';
import { countRequest, flushSoon } from './meter.ts';

/**
 * Segments come by the hundred for every play, and a line about each took a third of the CPU time of serving it.
 * What of them did not go well is told.
 */
const MEDIA = /^\/(p|hls)\//;

export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const startedMs = Date.now();
  const requestId = crypto.randomUUID();
  const [, media] = MEDIA.exec(c.req.path) ?? [];
  c.set('requestId', requestId);
  // A player has no trace to go on with, and looking for one costs every segment.
  const trace = media === undefined ? traceOf(c, requestId) : undefined;
  if (trace) c.set('trace', trace);
  c.set('log', createLog({ requestId, ...(trace && { traceId: trace.traceId }) }));
  c.set('config', configOf(c.env));
  await next();
  // A WebSocket's 101 has immutable headers.
  if (c.res.status !== 101) c.res.headers.set('X-Request-Id', requestId);
  const { method } = c.req;
  const { status } = c.res;
  const nowMs = Date.now();
  const durationMs = nowMs - startedMs;
  const isMediaRead = media !== undefined && (method === 'GET' || method === 'HEAD');
  const route = isMediaRead ? `/${media}/*` : routePath(c, -1);
  countRequest({ method, route, status, durationMs });
  flushSoon(c.env, c.var.log, nowMs, (work) => c.executionCtx.waitUntil(work));
  if (status < 400 && media !== undefined) return;
  c.var.log.info('http.request', { method, route, status, durationMs });
});

function traceOf(c: Context, requestId: string): TraceContext {
  const parent = parseTraceparent(c.req.header('traceparent'));
  return parent ? childOf(parent) : traceOfRequest(requestId);
}
