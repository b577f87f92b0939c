// The older API's routes on a host of one's own, for forms that no edge lets through. Uploads are relayed part by part
// with the caller's credential; the other two routes are handed on as they are. It holds no secret and no state.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError, problemOf } from '../../shared/errors.ts';
import { LEGACY_CONVERT_PATH, LEGACY_STATUS_PATH, LEGACY_UPLOAD_PATH } from '../../shared/legacy-api.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import type { IngestEnv } from './env.ts';
import { type Answer, answerOfFailure } from './failures.ts';
import { handOn } from './hand-on.ts';
import { type Piece, piecesOf } from './request-body.ts';
import { takeForm } from './take-form.ts';

export type IngestServer = AsyncDisposable & { port: number };

const BUSY_RETRY_SECONDS = 5;

export async function startIngest(env: IngestEnv, log: Log): Promise<IngestServer> {
  let forms = 0;
  const server = createServer((request, response) => void handle(request, response));
  // A large form takes as long as its line does; only silence ends it.
  server.requestTimeout = 0;
  server.setTimeout(env.INGEST_IDLE_SECONDS * SECOND_MS, (socket) => socket.destroy());

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = crypto.randomUUID();
    const startedMs = Date.now();
    const requestLog = log.with({ requestId });
    const pieces = piecesOf(request);
    let answer: Answer;
    try {
      answer = await route(request, pieces, requestLog);
    } catch (error) {
      const failure = answerOfFailure(error);
      if (failure.status >= 500)
        requestLog.warn('form.failed', { code: failure.code, ...errorFields(error) });
      answer = problemAnswer(failure, requestId);
    }
    send(request, response, answer, requestId);
    requestLog.info('ingest.request', {
      method: request.method,
      route: routeOf(request),
      status: answer.status,
      durationMs: Date.now() - startedMs,
    });
    // A client that was refused may still be sending: it is heard out, to read the answer.
    await pieces.drain();
  }

  async function route(request: IncomingMessage, pieces: Piece, requestLog: Log): Promise<Answer> {
    const name = routeOf(request);
    if (name === 'health')
      return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ status: 'ok', forms }) };
    if (name === 'preflight') return { status: 204, headers: {}, body: '' };
    if (name === 'other') throw new AppError('not_found');
    if (name !== 'upload') return handOn(request, pieces, env.REELAY_URL);
    if (forms >= env.INGEST_MAX_FORMS) {
      throw new AppError('rate_limited', {
        detail: 'This host takes no more forms at once.',
        retryAfterSeconds: BUSY_RETRY_SECONDS,
      });
    }
    forms += 1;
    try {
      return await takeForm(request, pieces, env, requestLog);
    } finally {
      forms -= 1;
    }
  }

  function send(request: IncomingMessage, response: ServerResponse, answer: Answer, requestId: string): void {
    const { origin } = request.headers;
    const cors = origin !== undefined && env.CORS_ORIGINS.includes(origin) ? corsHeaders(origin) : {};
    response.writeHead(answer.status, { ...answer.headers, ...cors, 'x-request-id': requestId });
    response.end(answer.body);
  }

  server.listen(env.INGEST_PORT, env.INGEST_HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  log.info('ingest.started', { port, url: env.REELAY_URL });
  return {
    port,
    /** Forms under way may end. */
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

type Route = 'upload' | 'convert' | 'status' | 'health' | 'preflight' | 'other';

function routeOf({ method, url = '' }: IncomingMessage): Route {
  const path = url.split('?')[0]!;
  if (method === 'GET' && path === '/healthz') return 'health';
  if (method === 'GET' && path.startsWith(`${LEGACY_STATUS_PATH}/`)) return 'status';
  const posted = path === LEGACY_UPLOAD_PATH ? 'upload' : path === LEGACY_CONVERT_PATH ? 'convert' : 'other';
  if (method === 'OPTIONS' && posted !== 'other') return 'preflight';
  return method === 'POST' ? posted : 'other';
}

function problemAnswer(failure: AppError, requestId: string): Answer {
  const problem = problemOf(failure, requestId);
  const retryAfter = failure.retryAfterSeconds;
  return {
    status: failure.status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(failure.status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body: JSON.stringify({ success: false, message: failure.detail, ...problem }),
  };
}

function corsHeaders(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'Authorization, Content-Type, Idempotency-Key',
    vary: 'Origin',
  };
}
