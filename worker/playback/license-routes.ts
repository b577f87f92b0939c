// POST /p/{token}/license and below: ClearKey licences in the JSON of W3C Encrypted Media Extensions §9.1, and those
// of vendors. Bound to the token's session and generation, to its time, and to the session's device and country.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { DAY_SECONDS, KIB } from '../../shared/limits.ts';
import { jobOfPrefix } from '../../shared/object-keys.ts';
import { LicenseRequest } from '../../shared/play-api.ts';
import { keySystemAt } from '../../shared/protection-systems.ts';
import { fromBase64Url, fromHex, type PlayClaims, toBase64Url, toHex } from '../../shared/sign.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { offeredSystems, requireKeks } from '../keys/offer.ts';
import { keyRows, unwrapped } from '../keys/store.ts';
import { admit } from './admission.ts';
import { vendorLicense } from './license-proxy.ts';
import { DEVICE_HEADER, licensedSession } from './license-session.ts';
import { splitMediaPath } from './path.ts';

const METHODS = 'POST, OPTIONS';
const REQUEST_BYTES = 16 * KIB;
const PATHS = ['/p/:token/license', '/p/:token/license/:system'];

const PREFLIGHT_HEADERS: Record<string, string> = {
  'Access-Control-Allow-Methods': METHODS,
  // Players send their own credentials along where the page has some; here only the token counts.
  'Access-Control-Allow-Headers': `Content-Type, SOAPAction, ${DEVICE_HEADER}, Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status`,
  'Access-Control-Max-Age': String(DAY_SECONDS),
};

export function licenseRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  for (const path of PATHS) {
    app.use(path, async (c, next) => {
      await next();
      for (const [name, value] of Object.entries(corsHeaders(c.req.header('Origin')))) c.header(name, value);
      c.header('Cache-Control', 'no-store');
      c.header('Referrer-Policy', 'no-referrer');
      c.header('X-Content-Type-Options', 'nosniff');
    });
    app.options(path, (c) => c.body(null, 204, PREFLIGHT_HEADERS));
    app.post(path, issue);
    app.all(path, () => {
      throw new AppError('method_not_allowed', { headers: { Allow: METHODS } });
    });
  }
  return app;
}

async function issue(c: Context<AppEnv>): Promise<Response> {
  // As it was sent: a parameter of the route is decoded, and escapes would be a second spelling of the token.
  const path = splitMediaPath(new URL(c.req.url).pathname);
  const claims = await admit(c, path?.token ?? '', Date.now());
  const keySystem = keySystemAt(path?.key ?? '');
  if (keySystem === undefined) throw new AppError('not_found');
  const isClearKey = keySystem === 'org.w3.clearkey';
  return isClearKey ? c.json(await clearKeyLicense(c, claims)) : await vendorLicense(c, keySystem, claims);
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

async function clearKeyLicense(c: Context<AppEnv>, claims: PlayClaims) {
  const systems = offeredSystems(c.var.config);
  if (!systems.some(({ keySystem }) => keySystem === 'org.w3.clearkey')) {
    throw new AppError('license_system_unavailable');
  }
  const { kids, type } = await jsonBody(c, LicenseRequest, REQUEST_BYTES);
  await licensedSession(c, claims);
  const asked = [...new Set(kids.map(keyIdOf))];
  const rows = await keyRows(c.env.DB, jobOfPrefix(claims.pfx), { keyIds: asked });
  const covered = rows.filter(({ scheme }) => scheme === 'cenc');
  if (covered.length < asked.length) throw new AppError('license_key_refused');
  const issued = await unwrapped(requireKeks(c.var.config), covered);
  const keys = issued.map(({ keyId, key }) => ({
    ...{ kty: 'oct', kid: toBase64Url(fromHex(keyId)), k: toBase64Url(key) },
  }));
  c.var.log.info('license.issued', { sessionId: claims.sid, keys: keys.length });
  return { keys, type: type ?? 'temporary' };
}

function keyIdOf(kid: string): string {
  const bytes = fromBase64Url(kid);
  if (bytes?.length !== 16) throw new AppError('invalid_request', { detail: 'A key id is not base64url.' });
  return toHex(bytes);
}
