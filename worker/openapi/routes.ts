// The API's description of itself: for programs at /openapi.json, for people at /docs.
import { Hono } from 'hono';
import { type OpenApiDocument, openApiDocument } from '../../shared/openapi/document.ts';
import type { AppEnv } from '../http/context.ts';
import { documentPage } from './page.ts';

export function openApiRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  // Made when it is first asked for; it is the same as long as the code is.
  let made: OpenApiDocument | undefined;
  const documentAt = (url: string): OpenApiDocument => {
    made ??= openApiDocument('');
    return { ...made, servers: [{ url: new URL(url).origin }] };
  };

  app.get('/openapi.json', (c) =>
    c.json(documentAt(c.req.url), 200, {
      'Cache-Control': 'no-cache',
      // It holds nothing that is not public, and tools read it from pages of their own.
      'Access-Control-Allow-Origin': '*',
    }),
  );

  app.get('/docs', (c) => {
    const nonce = crypto.randomUUID();
    return c.html(documentPage(documentAt(c.req.url), nonce), 200, {
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    });
  });

  return app;
}
