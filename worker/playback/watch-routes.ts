// The watch page: one static page for every video. What it needs of a private video comes in the fragment of
// the link, which no browser sends anywhere.
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from '../http/context.ts';

export function watchRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.get('/watch/:id', async (c) => {
    const url = new URL(c.req.url);
    // Static assets answer `watch.html` under its short name and redirect the long one.
    const page = await c.env.ASSETS.fetch(new URL('/watch', url));
    if (!page.ok)
      throw new AppError('internal', { cause: new Error(`the watch page answered ${page.status}`) });
    return new Response(page.body, {
      headers: {
        'Content-Type': 'text/html; charset=utf-8',
        'Cache-Control': 'no-cache',
        'Content-Security-Policy': contentSecurityPolicy(url),
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
      },
    });
  });
  return app;
}

function contentSecurityPolicy(url: URL): string {
  // Safari before 15.4 does not count WebSockets as 'self'.
  const sockets = `${url.protocol === 'https:' ? 'wss' : 'ws'}://${url.host}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "media-src 'self' blob: data:", // of Media Source Extensions, and of the empty text tracks that hls.js fills
    `connect-src 'self' ${sockets}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
