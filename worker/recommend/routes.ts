// What to watch next, and a viewer's say in what is kept of them.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { RecommendQuery, ViewerPatch, type ViewerSettings } from '../../shared/recommend-api.ts';
import { requires } from '../http/auth.ts';
import { jsonBody, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { edgeCountry } from '../http/edge-country.ts';
import { mayActFor } from '../http/may-act-for.ts';
import { recommend } from './recommend.ts';
import { eraseViewer, setOptOut, type ViewerKey } from './viewer-store.ts';

export function recommendRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/v1/viewers/:id/recommendations', requires('uploader', 'viewer'), async (c) => {
    const viewer = viewerKeyOf(c, c.req.param('id'));
    const { limit, kind, visibility, country } = validated(RecommendQuery, c.req.query());
    const { caller, config, log } = c.var;
    const rules = {
      ...viewer,
      ...{ kind, visibility },
      country: (caller.via === 'api-key' ? country : undefined) ?? edgeCountry(c.req.raw),
      whenCountryUnknown: config.REGION_UNKNOWN,
    };
    const answer = await recommend(rules, limit, {
      ...{ db: c.env.DB, bucket: c.env.MEDIA, log },
      waitUntil: (work) => c.executionCtx.waitUntil(work),
    });
    // One person's, and out of date as soon as they watch on.
    c.header('Cache-Control', 'private, no-cache');
    return c.json(answer);
  });

  app.patch('/v1/viewers/:id', requires('uploader', 'viewer'), async (c) => {
    const viewer = viewerKeyOf(c, c.req.param('id'));
    const { optOut } = await jsonBody(c, ViewerPatch);
    await setOptOut(c.env.DB, viewer, optOut);
    const settings: ViewerSettings = { viewerId: viewer.viewerId, optOut };
    return c.json(settings);
  });

  app.delete('/v1/viewers/:id', requires('uploader', 'viewer'), async (c) => {
    await eraseViewer(c.env.DB, viewerKeyOf(c, c.req.param('id')));
    // Without the name: the log would be what is left of them.
    c.var.log.info('viewer.erased');
    return c.body(null, 204);
  });

  return app;
}

function viewerKeyOf(c: Context<AppEnv>, viewerId: string): ViewerKey {
  const { caller } = c.var;
  if (!mayActFor(caller, viewerId)) throw new AppError('not_found', { detail: 'There is no such viewer.' });
  return { ownerId: caller.ownerId, viewerId };
}
