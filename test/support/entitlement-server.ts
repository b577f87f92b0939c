// A deployment's entitlement service, as a real HTTP server of this process: it answers by the content id of the
// video that is asked about, and keeps what it was asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Asked } from './entitlement-host.ts';

/** How it behaves, and what else it says; the content id is the name. */
const MANNERS: Record<string, (response: ServerResponse) => void> = {
  allow: (response) => json(response, { allow: true }),
  deny: (response) => json(response, { allow: false, reason: 'Your plan has no films.' }),
  'deny-mutely': (response) => json(response, { allow: false }),
  cap: (response) => json(response, { allow: true, maxHeight: 500, ttlSeconds: 120, more: 'ignored' }),
  nulls: (response) => json(response, { allow: true, maxHeight: null, ttlSeconds: null, reason: null }),
  fail: (response) => json(response, { allow: true }, 500),
  forbid: (response) => json(response, { allow: true }, 403),
  redirect: (response) => {
    if (response.req.url === '/elsewhere') return json(response, { allow: true });
    response.setHeader('Location', '/elsewhere');
    json(response, { allow: true }, 307);
  },
  garbage: (response) => response.end('allow'),
  wrong: (response) => json(response, { allow: 'yes' }),
  lengthy: (response) => json(response, { allow: true, padding: 'a'.repeat(100_000) }),
  // Whoever waits for these hears yes.
  hang: (response) => later(() => json(response, { allow: true })),
  stall: (response) => {
    response.write('{"allow": ');
    later(() => response.end('true}'));
  },
  reset: (response) => void response.socket?.destroy(),
};

/** Three times as long as the Worker waits. */
const LATE_MS = 6000;

function later(act: () => void): void {
  setTimeout(act, LATE_MS);
}

const asked: Asked[] = [];
let origin: Promise<string> | undefined;

/** Passes a request of the Worker on to the server, which starts with the first. */
export async function askEntitlementServer(request: Request): Promise<Response> {
  origin ??= start();
  const { pathname } = new URL(request.url);
  if (pathname === '/asked') return Response.json(asked.splice(0));
  const body = await request.text();
  return fetch((await origin) + pathname, {
    method: request.method,
    headers: [...request.headers].filter(([name]) => /^(webhook-|content-type)/.test(name)),
    body,
    redirect: 'manual',
  });
}

async function start(): Promise<string> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  asked.push({ headers: request.headers as Record<string, string>, body });
  const { contentId } = JSON.parse(body) as { contentId: string };
  (MANNERS[contentId.replace(/_.*/, '')] ?? MANNERS.fail!)(response);
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}
