// The API's table of contents: what every request passes, then one line per feature.
import { type Context, Hono } from 'hono';
import { except } from 'hono/combine';
import { analyticsRoutes } from './analytics/routes.ts';
import { apiKeyRoutes } from './credentials/routes.ts';
import { authenticate } from './http/auth.ts';
import type { AppEnv } from './http/context.ts';
import { apiCors } from './http/cors.ts';
import { renderError } from './http/errors.ts';
import { refuseUnknown } from './http/not-found.ts';
import { requestLog } from './http/request-log.ts';
import { internalRoutes } from './jobs/internal-routes.ts';
import { jobRoutes } from './jobs/routes.ts';
import { keyRoutes } from './keys/routes.ts';
import { legacyRoutes, wholeFormRoutes } from './legacy/routes.ts';
import { legacySourceRoutes } from './legacy/source-routes.ts';
import { bucketSourceRoutes } from './migrations-api/bucket-routes.ts';
import { migrationRoutes } from './migrations-api/routes.ts';
import { openApiRoutes } from './openapi/routes.ts';
import { opsRoutes } from './ops/routes.ts';
import { deviceRoutes } from './playback/device-routes.ts';
import { licenseRoutes } from './playback/license-routes.ts';
import { mediaRoutes } from './playback/media-routes.ts';
import { playRoutes } from './playback/play-routes.ts';
import { prewarmRoutes } from './playback/prewarm-routes.ts';
import { publicRoutes } from './playback/public-routes.ts';
import { watchRoutes } from './playback/watch-routes.ts';
import { preflightRoutes } from './preflight/routes.ts';
import { recommendRoutes } from './recommend/routes.ts';
import { recommendRunRoutes } from './recommend/run-routes.ts';
import { roomRoutes } from './rooms/room-routes.ts';
import { streamRoutes } from './rooms/stream-routes.ts';
import { importRoutes } from './uploads/import-routes.ts';
import { uploadRoutes } from './uploads/routes.ts';
import { tusRoutes } from './uploads/tus-routes.ts';
import { requireTusVersion, tusHeaders } from './uploads/tus-wire.ts';
import { videoRoutes } from './videos/routes.ts';
import { subtitleRoutes } from './videos/subtitle-routes.ts';
import { noteCmcd } from './watch/note-cmcd.ts';
import { WATCH_PATH, watchEventRoutes } from './watch/routes.ts';
import { deliveryRoutes } from './webhooks/delivery-routes.ts';
import { webhookRoutes } from './webhooks/routes.ts';

export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.onError(renderError);
  app.notFound(refuseUnknown(app));

  app.use(requestLog);
  app.use('/v1/tus/*', tusHeaders);
  app.use('/v1/*', apiCors);
  app.use('/api/*', apiCors);
  app.use('/v1/tus/*', requireTusVersion);
  app.use('/v1/*', except([bringsTicket, bringsPlayToken], authenticate));
  app.use('/p/*', noteCmcd);

  app.route('/', uploadRoutes());
  app.route('/', tusRoutes());
  app.route('/', importRoutes());
  app.route('/', preflightRoutes());
  app.route('/', videoRoutes());
  app.route('/', subtitleRoutes());
  app.route('/', jobRoutes());
  app.route('/', playRoutes());
  app.route('/', prewarmRoutes());
  app.route('/', deviceRoutes());
  app.route('/', watchRoutes());
  app.route('/', watchEventRoutes());
  app.route('/', analyticsRoutes());
  app.route('/', licenseRoutes());
  app.route('/', streamRoutes());
  app.route('/', mediaRoutes());
  app.route('/', publicRoutes());
  app.route('/', apiKeyRoutes());
  app.route('/', webhookRoutes());
  app.route('/', deliveryRoutes());
  app.route('/', legacyRoutes());
  app.route('/', legacySourceRoutes());
  app.route('/', wholeFormRoutes());
  app.route('/', migrationRoutes());
  app.route('/', bucketSourceRoutes());
  app.route('/', recommendRoutes());
  app.route('/', recommendRunRoutes());
  app.route('/', roomRoutes());
  app.route('/', opsRoutes());
  app.route('/', openApiRoutes());
  app.route('/', internalRoutes());
  app.route('/', keyRoutes());
  return app;
}

/** A browser's WebSocket cannot send headers; the route takes its one-use ticket for a credential. */
function bringsTicket(c: Context): boolean {
  const { method, path } = c.req;
  const takesTicket = method === 'GET' && /^\/v1\/(?:jobs\/[^/]+\/events|rooms\/[^/]+)$/.test(path);
  return takesTicket && c.req.query('ticket') !== undefined;
}

/** A page that closes can set no header; the route takes the playback token in the body for a credential. */
function bringsPlayToken(c: Context): boolean {
  return c.req.path === WATCH_PATH && c.req.header('Authorization') === undefined;
}
