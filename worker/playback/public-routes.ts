// Public videos without a token: /hls/{movies|episodes|videos}/{contentId|videoId}/. The manifests there are those of
// the current generation; everything below a generation is served as it is to those who have a token.
import type { Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import {
  DASH_MANIFEST,
  dashName,
  keyNumberIn,
  kindOfFolder,
  MASTER_PLAYLIST,
  masterName,
  titlePrefix,
} from '../../shared/object-keys.ts';
import type { AppEnv } from '../http/context.ts';
import { edgeCountry } from '../http/edge-country.ts';
import { type Rewriting, withFallback } from './fallback.ts';
import { isMediaName } from './path.ts';
import { playerRoutes } from './player-routes.ts';
import { type PlaceName, publicPlace } from './public-place.ts';
import type { PublicGeneration } from './public-store.ts';
import { refuseRegion } from './regions.ts';
import { serveMedia } from './serve.ts';
import { atStablePlace } from './stable-manifest.ts';

/** What is shown in some countries only must not be kept where others are served from. */
const cacheFor = ({ regions }: PublicGeneration) => (regions.length === 0 ? 'public' : 'private');

export function publicRoutes(): Hono<AppEnv> {
  return playerRoutes('/hls/*', answerPublic);
}

/** Whatever is not there for everybody looks the same: not there. */
async function answerPublic(c: Context<AppEnv>): Promise<Response> {
  const path = splitPublicPath(new URL(c.req.url).pathname);
  if (!path) throw new AppError('not_found');
  const place = await publicPlace(path.place, {
    ...{ db: c.env.DB, cache: caches.default, log: c.var.log, nowMs: Date.now() },
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  });
  const name = path.generation === undefined ? place?.current?.generation : path.generation;
  // Names come from the URL: those that every object has are none of ours.
  if (!place || name === undefined || !Object.hasOwn(place.generations, name))
    throw new AppError('not_found');
  const generation = place.generations[name]!;
  refuseRegion(generation.regions, edgeCountry(c.req.raw), c.var.config.REGION_UNKNOWN);

  const { kind, id } = path.place;
  const fallback = withFallback(c.var.config, `/${titlePrefix(kind, id)}${name}/`);
  if (path.generation === undefined) {
    const revision = place.current?.manifestRevision ?? 0;
    const file = path.name === DASH_MANIFEST ? dashName(revision) : masterName(revision);
    return await serveMedia(c, {
      ...{ prefix: generation.prefix, name: file },
      clientCache: `${cacheFor(generation)}, no-cache, no-transform`,
      rewriting: stable(file, name, fallback),
    });
  }
  if (!isMediaName(path.name) || keyNumberIn(path.name) !== undefined) throw new AppError('not_found');
  return await serveMedia(c, {
    ...{ prefix: generation.prefix, name: path.name },
    clientCache: `${cacheFor(generation)}, max-age=${365 * DAY_SECONDS}, immutable, no-transform`,
    ...(fallback && { rewriting: fallback }),
  });
}

function stable(file: string, generation: string, fallback: Rewriting | undefined): Rewriting {
  return {
    mark: [generation, ...(fallback ? [fallback.mark] : [])].join('-'),
    rewrite: (name, text) => atStablePlace(file, fallback ? fallback.rewrite(name, text) : text, generation),
  };
}

type PublicPath = { place: PlaceName; generation: string | undefined; name: string };

/** Read from the raw pathname and never decoded: one object, one path. */
function splitPublicPath(pathname: string): PublicPath | undefined {
  const [, folder, id, rest] =
    /^\/hls\/([a-z]+)\/([A-Za-z0-9_-]{1,64})\/([A-Za-z0-9._/-]+)$/.exec(pathname) ?? [];
  const kind = kindOfFolder(folder ?? '');
  if (!kind || id === undefined || rest === undefined) return undefined;
  const place = { kind, id };
  if (rest === MASTER_PLAYLIST || rest === DASH_MANIFEST) return { place, generation: undefined, name: rest };
  const [, generation, name] = /^([A-Za-z0-9_-]+)\/(.+)$/.exec(rest) ?? [];
  return generation === undefined || name === undefined ? undefined : { place, generation, name };
}
