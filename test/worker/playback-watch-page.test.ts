import { createExecutionContext, env } from 'cloudflare:test';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { AppEnv } from '../../worker/http/context.ts';
import { renderError } from '../../worker/http/errors.ts';
import { watchRoutes } from '../../worker/playback/watch-routes.ts';

/** The route with static assets that hold one page, so that the test needs no build. */
async function visit(path: string, page: () => Response): Promise<Response> {
  const app = new Hono<AppEnv>();
  app.onError(renderError);
  app.route('/', watchRoutes());
  const asked: string[] = [];
  const assets = {
    fetch: async (url: URL) => {
      asked.push(url.pathname);
      return page();
    },
  };
  const response = await app.request(path, {}, { ...env, ASSETS: assets as never }, createExecutionContext());
  expect(asked).toEqual(['/watch']);
  return response;
}

test('every video has the same page, which may load nothing from elsewhere and tells no one its address', async () => {
  const response = await visit(
    'https://reelay.test/watch/any-video',
    () => new Response('<html>the page</html>'),
  );
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('<html>the page</html>');
  const policy = response.headers.get('Content-Security-Policy')!.split('; ');
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("connect-src 'self' wss://reelay.test");
  expect(policy.join()).not.toMatch(/unsafe|\*/);
  expect(response.headers.get('Referrer-Policy')).toBe('no-referrer');
  expect(response.headers.get('Content-Type')).toBe('text/html; charset=utf-8');
});

test('a page that was not built is an error of ours, not an empty page', async () => {
  const response = await visit(
    'https://reelay.test/watch/any-video',
    () => new Response(null, { status: 404 }),
  );
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ code: 'internal' });
});
