// Serves a file of one generation to one request. Who may have it is settled before this is called.
import type { Context } from 'hono';
import { type LicenseOffer, withLicenses } from '../../shared/dash-protection.ts';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from '../http/context.ts';
import { mediaCounts } from '../http/meter.ts';
import { evaluatePreconditions, isRangeCurrent } from './conditional.ts';
import { openMedia } from './edge-cache.ts';
import type { Rewriting } from './fallback.ts';
import { type GrowingSources, isKnownToGrow, openGrowing } from './growing.ts';
import { openProtected } from './license-playlists.ts';
import { bytesMedia, type MediaObject } from './media-object.ts';
import { isPlaylistName } from './path.ts';
import { edgeTtlSeconds } from './popularity.ts';
import { isMpd, listsRungs, withoutHigherRungs } from './quality-cap.ts';
import { type ByteRange, contentRange, parseRange } from './range.ts';

export type Serving = {
  /** Of the generation, with its slash, and the name within it. */
  prefix: string;
  name: string;
  /** Cache-Control of a file that never changes, as its client gets it. */
  clientCache: string;
  /** Highest rung a manifest may list; all where it is absent. */
  maxRung?: number | undefined;
  /** Who issues the keys of manifests that ask for some. */
  licenses?: LicenseOffer;
  /** Of manifests, after all else. */
  rewriting?: Rewriting;
};

/** A list that grows is asked for again and again, and is the finished one some day. */
const GROWING_CACHE = 'private, no-cache, no-transform';

/** @throws AppError `not_found`, `precondition_failed`, `range_not_satisfiable`, `storage_unavailable` */
export async function serveMedia(c: Context<AppEnv>, serving: Serving): Promise<Response> {
  const { prefix, name, maxRung, licenses, rewriting } = serving;
  const sources: GrowingSources = {
    ...{ bucket: c.env.MEDIA, db: c.env.DB, log: c.var.log, nowMs: Date.now() },
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  };
  const media = isPlaylistName(name)
    ? await openPlaylist(serving, sources)
    : await openStored(prefix, name, sources);
  const hasLicenses = licenses !== undefined && isMpd(name);
  const isTailored = listsRungs(name) && (maxRung !== undefined || hasLicenses || rewriting !== undefined);
  const shown = isTailored ? await tailored(media, serving) : media;
  return await respond(c.req.raw, shown, serving.clientCache);
}

function openStored(prefix: string, name: string, sources: GrowingSources): Promise<MediaObject> {
  const { bucket, waitUntil } = sources;
  const ttlSeconds = edgeTtlSeconds(prefix, sources);
  return openMedia(prefix + name, { bucket, cache: caches.default, ttlSeconds, waitUntil });
}

/** The finished list where there is one; else the one that grows. Only lists that grow are looked up in D1. */
async function openPlaylist(
  { prefix, name, licenses }: Serving,
  sources: GrowingSources,
): Promise<MediaObject> {
  const stored = () => openStored(prefix, name, sources);
  const written = () => openProtected(prefix, name, licenses, sources.bucket);
  const growing = () => openGrowing(prefix, name, sources);
  // What was growing a moment ago may be finished by now, and then has more lists.
  const isGrowing = isKnownToGrow(prefix, sources.nowMs);
  return await firstFound(isGrowing ? [growing, stored, written] : [stored, written, growing]);
}

async function firstFound(places: (() => Promise<MediaObject>)[]): Promise<MediaObject> {
  for (const open of places) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    }
  }
  throw new AppError('not_found');
}

async function respond(request: Request, media: MediaObject, clientCache: string): Promise<Response> {
  const headers = new Headers({
    'Accept-Ranges': 'bytes',
    'Cache-Control': media.isGrowing ? GROWING_CACHE : clientCache,
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
  const body = await media.body(range);
  mediaCounts.bytes += range?.length ?? media.sizeBytes;
  return new Response(body, { status, headers });
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

/** A manifest without the rungs above the cap, and with its licences. Other bytes have another etag. */
async function tailored(media: MediaObject, serving: Serving): Promise<MediaObject> {
  const { name, maxRung, licenses, rewriting } = serving;
  const stored = await new Response(await media.body()).text();
  const isCapped = maxRung !== undefined;
  const listed = isCapped ? withoutHigherRungs(name, stored, maxRung) : stored;
  const manifest = licenses === undefined ? listed : withLicenses(listed, licenses);
  const systems = licenses?.systems.map(({ keySystem }) => keySystem.split('.').at(-1)).join('-');
  const marks = [
    ...(isCapped ? [`-${maxRung}p`] : []),
    ...(manifest === listed ? [] : [`-${systems}`]),
    ...(rewriting ? [`-${rewriting.mark}`] : []),
  ];
  const text = rewriting?.rewrite(name, manifest) ?? manifest;
  const { lastModified, contentType, isGrowing = false } = media;
  const etag = media.etag.replace(/"$/, `${marks.join('')}"`);
  return bytesMedia(new TextEncoder().encode(text), { etag, lastModified, contentType, isGrowing });
}
