// POST /p/{token}/license: ClearKey licences in the JSON of W3C Encrypted Media Extensions §9.1. Bound to the
// token's session and generation, to its time, and to the session's device where it has one.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS, KIB } from '../../shared/limits.ts';
import { jobOfPrefix } from '../../shared/object-keys.ts';
import { fromBase64Url, type PlayClaims, toBase64Url, toHex } from '../../shared/sign.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { requireKeks } from '../keys/offer.ts';
import { keyRowsById, unwrapped } from '../keys/store.ts';
import { admit } from './admission.ts';
import { splitMediaPath } from './path.ts';

const METHODS = 'POST, OPTIONS';
const REQUEST_BYTES = 16 * KIB;
export const DEVICE_HEADER = 'X-Device-ID';

const LicenseRequest = z.object({
  /** Key ids: 16 bytes, base64url without padding. */
  kids: z.array(z.string().length(22)).min(1).max(64),
  type: z.string().max(64).optional(),
});

const PREFLIGHT_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Methods': METHODS,
  // Players send their own credentials along where the page has some; here only the token counts.
  'Access-Control-Allow-Headers': `Content-Type, ${DEVICE_HEADER}, Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status`,
  'Access-Control-Max-Age': String(DAY_SECONDS),
};

export function licenseRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use('/p/:token/license', async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(corsHeaders(c.req.header('Origin')))) c.header(name, value);
    c.header('Cache-Control', 'no-store');
    c.header('Referrer-Policy', 'no-referrer');
    c.header('X-Content-Type-Options', 'nosniff');
  });
  app.options('/p/:token/license', (c) => c.body(null, 204, PREFLIGHT_HEADERS));
  app.post('/p/:token/license', async (c) => {
    // As it was sent: a parameter of the route is decoded, and escapes would be a second spelling of the token.
    const path = splitMediaPath(new URL(c.req.url).pathname);
    return c.json(await license(c, path?.token ?? ''));
  });
  app.all('/p/:token/license', () => {
    throw new AppError('method_not_allowed', { headers: { Allow: METHODS } });
  });
  return app;
}

/**
 * dash.js asks with credentials where the request carries Authorization, and a browser then takes no `*`. Nothing
 * here is given for a cookie, so any origin may.
 */
function corsHeaders(origin: string | undefined): Record<string, string> {
  if (origin === undefined) return { Vary: 'Origin' };
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    Vary: 'Origin',
  };
}

async function license(c: Context<AppEnv>, token: string) {
  const claims = await admit(c, token, Date.now());
  const { kids, type } = await jsonBody(c, LicenseRequest, REQUEST_BYTES);
  await refuseStranger(c, claims);
  const asked = [...new Set(kids.map(keyIdOf))];
  const rows = await keyRowsById(c.env.DB, jobOfPrefix(claims.pfx), asked);
  const covered = rows.filter(({ scheme }) => scheme === 'cenc');
  if (covered.length < asked.length) throw new AppError('license_key_refused');
  const issued = await unwrapped(requireKeks(c.var.config), covered);
  const keys = issued.map(({ keyId, key }) => ({
    ...{ kty: 'oct', kid: toBase64Url(bytesOfHex(keyId)), k: toBase64Url(key) },
  }));
  c.var.log.info('license.issued', { sessionId: claims.sid, keys: keys.length });
  return { keys, type: type ?? 'temporary' };
}

/** A licence is rare and worth the truth: the session is asked of D1, not of the snapshot alone. */
async function refuseStranger(c: Context<AppEnv>, { sid, pfx }: PlayClaims): Promise<void> {
  const session = await c.env.DB.prepare(
    `SELECT device_id AS deviceId FROM sessions
     WHERE id = ? AND output_prefix = ? AND revoked_at IS NULL AND expires_at > unixepoch()`,
  )
    .bind(sid, pfx)
    .first<{ deviceId: string | null }>();
  if (!session) throw new AppError('playback_session_revoked');
  if (session.deviceId !== null && session.deviceId !== c.req.header(DEVICE_HEADER)) {
    throw new AppError('license_device_mismatch', {
      detail: `The session was begun on another device than ${DEVICE_HEADER} says.`,
    });
  }
}

function keyIdOf(kid: string): string {
  const bytes = fromBase64Url(kid);
  if (bytes?.length !== 16) throw new AppError('invalid_request', { detail: 'A key id is not base64url.' });
  return toHex(bytes);
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
