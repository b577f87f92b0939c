// tus's own manners around every answer under /v1/tus: the version it speaks, what OPTIONS says, and errors that
// a client can tell apart without a body, since HEAD has none.
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from '../http/context.ts';
import { TUS_CHECKSUM_ALGORITHMS } from './tus-checksum.ts';
import { TUS_MAX_BYTES } from './tus-headers.ts';

const TUS_VERSION = '1.0.0';
const TUS_EXTENSIONS = 'creation,creation-with-upload,creation-defer-length,expiration,termination,checksum';

/** Stands around everything else, CORS included, so that no answer goes without. */
export const tusHeaders = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  const { headers } = c.res;
  headers.set('Tus-Resumable', TUS_VERSION);
  if (c.error instanceof AppError) headers.set('Reelay-Error-Code', c.error.code);
  if (c.req.method !== 'OPTIONS') return;
  headers.set('Tus-Version', TUS_VERSION);
  headers.set('Tus-Extension', TUS_EXTENSIONS);
  headers.set('Tus-Max-Size', String(TUS_MAX_BYTES));
  headers.set('Tus-Checksum-Algorithm', TUS_CHECKSUM_ALGORITHMS);
});

/** "The Server MUST NOT process the request": so this comes before anybody looks at it. */
export const requireTusVersion = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.header('Tus-Resumable') !== TUS_VERSION) {
    throw new AppError('tus_version_unsupported', {
      detail: `Send Tus-Resumable: ${TUS_VERSION}.`,
      headers: { 'Tus-Version': TUS_VERSION },
    });
  }
  await next();
});

/** "The actual method of the request MUST be ignored" where X-HTTP-Method-Override names another. */
export function methodOf(c: Context<AppEnv>): string {
  return c.req.header('X-HTTP-Method-Override')?.toUpperCase() ?? c.req.method;
}
