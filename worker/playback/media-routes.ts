// Media by path token: /p/{token}/{objectKey}. The token is judged before any byte, cached or stored, is
// looked for, and no request here waits for D1.
import { type Context, Hono } from 'hono';
import { withLicenseUrl } from '../../shared/dash-protection.ts';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { keyNumberIn } from '../../shared/object-keys.ts';
import type { AppEnv } from '../http/context.ts';
import { admit } from './admission.ts';
import { evaluatePreconditions, isRangeCurrent } from './conditional.ts';
import { contentKeyAnswer } from './content-key.ts';
import { type MediaObject, openMedia } from './edge-cache.ts';
import { type GrowingSources, isKnownToGrow, openGrowing } from './growing.ts';
import { isMediaName, isPlaylistName, type MediaPath, nameUnder, splitMediaPath } from './path.ts';
import { isMpd, isWithinCap, listsRungs, withoutHigherRungs } from './quality-cap.ts';
import { type ByteRange, contentRange, parseRange } from './range.ts';

const METHODS = 'GET, HEAD, OPTIONS';

/** A published generation never changes; the token in the path is the viewer's own, so copies are private. */
const CLIENT_CACHE = `private, max-age=${365 * DAY_SECONDS}, immutable, no-transform`;

/** A list that grows is asked for again and again, and is the finished one some day. */
const GROWING_CACHE = 'private, no-cache, no-transform';

/** Players run on any page, and the token, not the origin, is what lets them in. */
const PLAYER_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Length, Content-Range, ETag',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const PREFLIGHT_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Methods': METHODS,
  'Access-Control-Allow-Headers':
    'Range, If-Range, If-None-Match, If-Modified-Since, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status',
  'Access-Control-Max-Age': String(DAY_SECONDS),
};

export function mediaRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use('/p/*', async (c, next) => {
    await next();
    // Errors too: a player told nothing but "network error" cannot do the right thing.
    for (const [name, value] of Object.entries(PLAYER_HEADERS)) c.header(name, value);
    if (c.res.status >= 400) c.header('Cache-Control', 'no-store');
  });
  app.options('/p/*', (c) => c.body(null, 204, PREFLIGHT_HEADERS));
  app.get('/p/*', answerMedia); // HEAD as well: Hono routes it here and drops the body
  app.all('/p/*', () => {
    throw new AppError('method_not_allowed', { headers: { Allow: METHODS } });
  });
  return app;
}

async function answerMedia(c: Context<AppEnv>): Promise<Response> {
  const path = splitMediaPath(new URL(c.req.url).pathname);
  if (!path) throw new AppError('not_found');
  const nowMs = Date.now();
  const claims = await admit(c, path.token, nowMs);
  const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
  const name = nameUnder(claims.pfx, path.key);
  if (name === undefined || !isWithinCap(name, claims.maxHeight))
    throw new AppError('playback_outside_token');
  if (!isMediaName(name)) throw new AppError('not_found');
  const keyNumber = keyNumberIn(name);
  if (keyNumber !== undefined) return await contentKeyAnswer(c, claims.pfx, keyNumber);

  const media = isPlaylistName(name)
    ? await openPlaylist(claims.pfx, name, {
        ...{ bucket: c.env.MEDIA, db: c.env.DB, log: c.var.log },
        ...{ nowMs, waitUntil },
      })
    : await openMedia(path.key, { bucket: c.env.MEDIA, cache: caches.default, waitUntil });
  const cap = claims.maxHeight;
  const isTailored = listsRungs(name) && (cap !== undefined || isMpd(name));
  return await respond(c.req.raw, isTailored ? await tailored(c, path, cap, media) : media);
}

/** The finished list where there is one; else the one that grows. Only lists that grow are looked up in D1. */
async function openPlaylist(prefix: string, name: string, sources: GrowingSources): Promise<MediaObject> {
  const { bucket, nowMs, waitUntil } = sources;
  const stored = () => openMedia(prefix + name, { bucket, cache: caches.default, waitUntil });
  const growing = () => openGrowing(prefix, name, sources);
  // What was growing a moment ago may be finished by now, and then has more lists.
  const [likelier, other] = isKnownToGrow(prefix, nowMs) ? [growing, stored] : [stored, growing];
  try {
    return await likelier();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    return other();
  }
}

async function respond(request: Request, media: MediaObject): Promise<Response> {
  const headers = new Headers({
    'Accept-Ranges': 'bytes',
    'Cache-Control': media.isGrowing ? GROWING_CACHE : CLIENT_CACHE,
    ETag: media.etag,
    'Last-Modified': media.lastModified.toUTCString(),
  });
  const verdict = evaluatePreconditions(request.headers, media);
  if (verdict !== 'proceed') {
    await media.discard();
    if (verdict === 'failed') throw new AppError('precondition_failed');
    return new Response(null, { status: 304, headers });
  }

  const range = await rangeOf(request, media);
  if (range) headers.set('Content-Range', contentRange(range, media.sizeBytes));
  headers.set('Content-Type', media.contentType);
  headers.set('Content-Length', String(range?.length ?? media.sizeBytes));
  const status = range ? 206 : 200;
  if (request.method === 'HEAD') {
    await media.discard();
    return new Response(null, { status, headers });
  }
  return new Response(await media.body(range), { status, headers });
}

/** The slice to answer with. Ranges are defined for GET alone (RFC 9110 §14.2). */
async function rangeOf(request: Request, media: MediaObject): Promise<ByteRange | undefined> {
  if (request.method !== 'GET' || !isRangeCurrent(request.headers.get('If-Range'), media)) return undefined;
  const range = parseRange(request.headers.get('Range'), media.sizeBytes);
  if (range === 'unsatisfiable') {
    await media.discard();
    throw new AppError('range_not_satisfiable', {
      headers: { 'Content-Range': `bytes */${media.sizeBytes}` },
    });
  }
  return range === 'whole' ? undefined : range;
}

/**
 * A manifest as this token sees it: without the rungs above its cap, and with its licence's URL. Another
 * representation has another etag.
 */
async function tailored(c: Context<AppEnv>, path: MediaPath, cap: number | undefined, media: MediaObject) {
  const stored = await new Response(await media.body()).text();
  const isCapped = cap !== undefined;
  const listed = isCapped ? withoutHigherRungs(path.key, stored, cap) : stored;
  const manifest = withLicenseUrl(listed, `${new URL(c.req.url).origin}/p/${path.token}/license`);
  const marks = [...(isCapped ? [`-${cap}p`] : []), ...(manifest === listed ? [] : ['-l'])].join('');
  const bytes = new TextEncoder().encode(manifest);
  return {
    ...media,
    sizeBytes: bytes.byteLength,
    etag: media.etag.replace(/"$/, `${marks}"`),
    body: async (range?: ByteRange) =>
      range ? bytes.subarray(range.offset, range.offset + range.length) : bytes,
    discard: async () => {},
  };
}
