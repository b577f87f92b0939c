// POST /v1/videos/:id/prewarm: the owner has the beginning of a video read in regions where it is about to be seen.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { errorFields } from '../../shared/log.ts';
import {
  PREWARM_REGIONS,
  type PrewarmAnswer,
  type PrewarmProgress,
  type PrewarmRegionName,
  PrewarmRequest,
} from '../../shared/prewarm-api.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { repeatable } from '../http/idempotency.ts';
import type { PrewarmOrder } from './prewarm-region.ts';
import { noSuchVideo } from './sessions.ts';
import { videoOf } from './store.ts';

export function prewarmRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.post('/v1/videos/:id/prewarm', requires('uploader'), repeatable, async (c) => {
    const video = await videoOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    if (!video) throw noSuchVideo();
    const { regions, seconds } = await jsonBody(c, PrewarmRequest);
    const wanted = [...new Set(regions?.map(regionOf) ?? PREWARM_REGIONS)];
    const { outputPrefix: prefix, manifestRevision } = video;
    if (!prefix) {
      throw new AppError('video_not_playable', { detail: 'Nothing of this video is published yet.' });
    }
    const order = { prefix, seconds, manifestRevision };
    const answer: PrewarmAnswer = {
      videoId: video.id,
      seconds,
      regions: await Promise.all(wanted.map((region) => begin(c, region, order))),
    };
    return c.json(answer, 202);
  });
  return app;
}

function regionOf(name: string): PrewarmRegionName {
  const region = PREWARM_REGIONS.find((known) => known === name);
  if (region) return region;
  throw new AppError('region_unknown', {
    detail: `There is no region of that name; there are: ${PREWARM_REGIONS.join(', ')}.`,
  });
}

/** The others go on where one region does not answer. */
async function begin(
  c: Context<AppEnv>,
  region: PrewarmRegionName,
  order: PrewarmOrder,
): Promise<PrewarmProgress> {
  const { PREWARM_REGIONS: objects } = c.env;
  try {
    // The hint counts when the object is first made, so each region has one of its own name.
    const stub = objects.get(objects.idFromName(`prewarm:${region}`), { locationHint: region });
    return { region, ...(await stub.begin(order)) };
  } catch (error) {
    c.var.log.warn('prewarm.region_unavailable', { region, ...errorFields(error) });
    return { region, state: 'unavailable', warmed: 0, failed: 0 };
  }
}
