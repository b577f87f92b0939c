// GET /metrics and GET /v1/stats: the same numbers for a scraper and for people. They are the whole deployment's,
// whoever's videos they are about.
import type { Context } from 'hono';
import { Hono } from 'hono';
import { every } from 'hono/combine';
import { createMiddleware } from 'hono/factory';
import { prometheusText, type Series } from '../../shared/metrics.ts';
import { WORKER_METRICS } from '../../shared/metrics-worker.ts';
import { authenticate, bearerOf, requires } from '../http/auth.ts';
import type { AppEnv } from '../http/context.ts';
import { equalSecrets } from '../http/equal-secrets.ts';
import { flushMeter, metricsStore } from '../http/meter.ts';
import type { MetricsReading } from './metrics-store.ts';
import { meanJobSeconds, stateSeries } from './state-metrics.ts';
import { statsOf } from './stats.ts';

/** https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info */
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

export function metricsRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/metrics', mayScrape, async (c) => {
    const [reading, state] = await Promise.all([readStore(c), stateSeries(c.env.DB)]);
    const text = prometheusText(WORKER_METRICS, [...reading.series, ...state]);
    return c.body(text, 200, { 'Content-Type': TEXT, 'Cache-Control': 'no-store' });
  });

  app.get('/v1/stats', requires('admin'), async (c) => {
    const { DB } = c.env;
    const [reading, state, mean] = await Promise.all([readStore(c), stateSeries(DB), meanJobSeconds(DB)]);
    const stats = statsOf(reading, state, mean, Date.now());
    return c.json(stats, 200, { 'Cache-Control': 'no-store' });
  });

  return app;
}

/** Lets pass who shows METRICS_TOKEN, where there is one, and admins. */
const mayScrape = createMiddleware<AppEnv>(async (c, next) => {
  const { METRICS_TOKEN } = c.var.config;
  if (METRICS_TOKEN !== undefined && (await equalSecrets(bearerOf(c), METRICS_TOKEN))) return await next();
  return (await every(authenticate, requires('admin'))(c, next)) ?? undefined;
});

/** What this isolate has counted is told first, so that whoever looks sees what they have just done. */
async function readStore(c: Context<AppEnv>): Promise<MetricsReading> {
  await flushMeter(c.env, c.var.log);
  if (!c.env.METRICS) return { sinceMs: Date.now(), series: [], throughputBps: 0 };
  const { sinceMs, series, throughputBps } = await metricsStore(c.env).read();
  // The types of calls between isolates forget that these are pairs.
  return { sinceMs, series: series as Series[], throughputBps };
}
