// What was watched and how it played, for whoever manages the library.
import { type Context, Hono } from 'hono';
import { AnalyticsRange, type QoeAnswer, QoeQuery, type Range, rangeOf } from '../../shared/analytics-api.ts';
import { AppError } from '../../shared/errors.ts';
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { requires } from '../http/auth.ts';
import { validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { qoeOf, qoeSums } from './qoe-sums.ts';
import { videoAnalytics } from './video-answer.ts';

const MAX_GROUPS = 100;
/** A month. */
const MAX_HOURS = 31 * 24;

export function analyticsRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/v1/videos/:id/analytics', requires('uploader'), async (c) => {
    const query = validated(AnalyticsRange, c.req.query());
    const answer = await videoAnalytics(
      c.env.DB,
      c.req.param('id'),
      c.var.caller.ownerId,
      requireRange(query),
    );
    if (!answer) throw new AppError('not_found', { detail: 'There is no such video.' });
    return c.json(answer);
  });

  app.get('/v1/analytics/qoe', requires('uploader'), async (c) => {
    const query = validated(QoeQuery, c.req.query());
    return c.json(await qoeAnswer(c, query, requireRange(query)));
  });

  return app;
}

async function qoeAnswer(c: Context<AppEnv>, { groupBy }: QoeQuery, range: Range): Promise<QoeAnswer> {
  const about = { ownerId: c.var.caller.ownerId };
  const [total] = await qoeSums(c.env.DB, about, range, undefined);
  const groups = groupBy === undefined ? [] : await qoeSums(c.env.DB, about, range, groupBy);
  return {
    from: rfc3339(range.fromSeconds),
    to: rfc3339(range.toSeconds),
    ...(groupBy && { groupBy }),
    total: qoeOf(total),
    groups:
      groupBy === 'hour'
        ? groups
            .slice(-MAX_HOURS)
            .map((sums) => ({ ...qoeOf(sums), key: rfc3339(Number(sums.key) * HOUR_SECONDS) }))
        : groups.slice(0, MAX_GROUPS).map((sums) => ({ ...qoeOf(sums), key: sums.key })),
  };
}

function requireRange(query: AnalyticsRange): Range {
  const range = rangeOf(query, Math.floor(Date.now() / SECOND_MS));
  if (range) return range;
  throw new AppError('invalid_request', {
    detail: '"from" must be before "to", and no more than 366 days before it.',
  });
}
