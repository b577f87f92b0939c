// The only writer of failure statuses. Unknown errors are logged in full and told to nobody.
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { AppError, problemOf } from '../../shared/errors.ts';
import { createLog, errorFields } from '../../shared/log.ts';
import { r2FailureOf, storageUnavailable } from '../r2.ts';
import type { AppEnv } from './context.ts';
import { meter } from './meter.ts';

export function renderError(thrown: unknown, c: Context<AppEnv>): Response {
  const error = toAppError(thrown);
  const requestId = c.var.requestId ?? 'unknown';
  meter.count('reelay_http_errors_total', { code: error.code });
  if (error.status >= 500) {
    const log = c.var.log ?? createLog();
    // A 503 passes, and a client that hangs up in the middle of a body looks like one.
    const level = error.status === 503 ? 'warn' : 'error';
    log[level]('http.failed', { code: error.code, ...errorFields(error.cause ?? error) });
  }
  const headers = new Headers({ ...error.headers, 'Content-Type': 'application/problem+json' });
  headers.set('Cache-Control', 'no-store');
  if (error.retryAfterSeconds !== undefined) headers.set('Retry-After', String(error.retryAfterSeconds));
  // RFC 9110 §11.6.1: a 401 names a scheme.
  if (error.status === 401 && !headers.has('WWW-Authenticate')) headers.set('WWW-Authenticate', 'Bearer');
  return new Response(JSON.stringify(problemOf(error, requestId)), { status: error.status, headers });
}

function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (thrown instanceof HTTPException && thrown.status < 500) {
    return new AppError('invalid_request', { cause: thrown });
  }
  if (isDatabaseTrouble(thrown))
    return new AppError('database_unavailable', { cause: thrown, retryAfterSeconds: 2 });
  if (r2FailureOf(thrown) === 'unavailable') return storageUnavailable(thrown);
  return new AppError('internal', { cause: thrown });
}

/** D1's own trouble, as opposed to a wrong statement. https://developers.cloudflare.com/d1/observability/debug-d1/ */
function isDatabaseTrouble(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || !thrown.message.startsWith('D1_')) return false;
  return /overloaded|queued for too long|reset|network connection lost|timed? ?out|storage operation/i.test(
    thrown.message,
  );
}
