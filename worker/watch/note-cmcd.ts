// Reads what players say of themselves with their media requests, after the answer is known: only of requests that
// were let in, and without a wait for anything.
import { createMiddleware } from 'hono/factory';
import { errorFields } from '../../shared/log.ts';
import { fromBase64Url } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import { keepRecord } from './cmcd-buffer.ts';
import { cmcdOf, recordOf } from './cmcd-parse.ts';

export const noteCmcd = createMiddleware<AppEnv>(async (c, next) => {
  const atMs = Date.now();
  await next();
  if (c.res.status >= 400 || c.req.method !== 'GET' || !carriesCmcd(c.req.raw)) return;
  try {
    const data = cmcdOf(c.req.raw);
    const { pathname } = new URL(c.req.url);
    const sessionId = sessionIdOf(pathname.split('/', 3)[2] ?? '');
    if (!data || sessionId === undefined) return;
    const name = pathname.slice(pathname.lastIndexOf('/') + 1);
    const roundTripMs = roundTripOf(c.req.raw);
    const media = { sessionId, name, atMs, ...(roundTripMs !== undefined && { roundTripMs }) };
    const record = recordOf(data, media, c.req.header('User-Agent') ?? null);
    const waitUntil = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
    keepRecord(record, { env: c.env, log: c.var.log, waitUntil });
  } catch (error) {
    // The viewer has got the segment, and that is what counts.
    c.var.log.warn('watch.cmcd_failed', errorFields(error));
  }
});

/** Of a token that was found genuine before. */
function sessionIdOf(token: string): string | undefined {
  const payload = fromBase64Url(token.split('.')[2] ?? '');
  if (!payload) return undefined;
  const { sid } = JSON.parse(new TextDecoder().decode(payload)) as { sid?: unknown };
  return typeof sid === 'string' ? sid : undefined;
}

function carriesCmcd({ url, headers }: Request): boolean {
  return (
    url.includes('CMCD=') ||
    headers.has('CMCD-Session') ||
    headers.has('CMCD-Object') ||
    headers.has('CMCD-Request')
  );
}

/** https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties */
function roundTripOf(request: Request): number | undefined {
  const { clientTcpRtt, clientQuicRtt } = (request.cf ?? {}) as {
    clientTcpRtt?: number;
    clientQuicRtt?: number;
  };
  const roundTripMs = clientTcpRtt || clientQuicRtt;
  return typeof roundTripMs === 'number' && roundTripMs < 10_000 ? roundTripMs : undefined;
}
