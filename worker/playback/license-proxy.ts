// POST /p/{token}/license/{widevine|playready}: a player's challenge, passed on to the vendor for the session of the
// token. The vendor's address and headers are known to nobody else, and what it says when it fails is not repeated.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { KIB, SECOND_MS } from '../../shared/limits.ts';
import { jobOfPrefix } from '../../shared/object-keys.ts';
import { type ContentKey, uuidOf } from '../../shared/protection.ts';
import type { KeySystem } from '../../shared/protection-systems.ts';
import { type DrmVendor, fillHeaders, sendsKey } from '../../shared/protection-vendors.ts';
import { type PlayClaims, toBase64Url } from '../../shared/sign.ts';
import { readBytes } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { requireKeks, vendorOf } from '../keys/offer.ts';
import { type KeyRow, keyRows, unwrapped } from '../keys/store.ts';
import { asksOnlyFor } from './license-challenge.ts';
import { type LicensedSession, licensedSession } from './license-session.ts';

export const MAX_CHALLENGE_BYTES = 64 * KIB;
const MAX_ANSWER_BYTES = 64 * KIB;
const RETRY_SECONDS = 5;

/** Of challenge and licence alike. PlayReady's protocol is SOAP; Widevine's has no type of its own. */
const CONTENT_TYPES: Partial<Record<KeySystem, string>> = {
  'com.microsoft.playready': 'text/xml; charset=utf-8',
};

/**
 * @throws AppError `license_system_unavailable`, `license_key_refused`, `license_refused`, `license_unavailable`, and
 *   those of {@link licensedSession}
 */
export async function vendorLicense(
  c: Context<AppEnv>,
  keySystem: KeySystem,
  claims: PlayClaims,
): Promise<Response> {
  const vendor = vendorOf(c.var.config, keySystem);
  if (!vendor) throw new AppError('license_system_unavailable');
  const challenge = await readBytes(c.req.raw, MAX_CHALLENGE_BYTES);
  if (challenge.length === 0) throw new AppError('invalid_request', { detail: 'The challenge is empty.' });
  const session = await licensedSession(c, claims);
  const [row] = await keyRows(c.env.DB, jobOfPrefix(claims.pfx), { numbers: [0] });
  if (row?.scheme !== 'cenc') throw new AppError('license_key_refused');
  if (vendor.checksKeyIds && !asksOnlyFor(keySystem, challenge, [row.keyId])) {
    throw new AppError('license_key_refused', {
      detail: 'The challenge asks for other keys than those of this video, or cannot be read.',
    });
  }
  const contentType = CONTENT_TYPES[keySystem] ?? 'application/octet-stream';
  const headers = {
    'Content-Type': contentType,
    ...soapActionOf(c, keySystem),
    ...(await vendorHeaders(c, vendor, { claims, session, row })),
  };
  const license = await askVendor(c, keySystem, {
    ...{ url: vendor.url, timeoutMs: vendor.timeoutSeconds * SECOND_MS, headers, challenge },
  });
  c.var.log.info('license.passed_on', { sessionId: claims.sid, keySystem });
  return new Response(license, { headers: { 'Content-Type': contentType } });
}

/** Vendors route by it; it says what is asked and nothing of who asks. */
function soapActionOf(c: Context<AppEnv>, keySystem: KeySystem): Record<string, string> {
  const action = c.req.header('SOAPAction');
  const isPlain = action !== undefined && /^"?[\w:/.-]{1,200}"?$/.test(action);
  return isPlain && keySystem === 'com.microsoft.playready' ? { SOAPAction: action } : {};
}

async function vendorHeaders(
  c: Context<AppEnv>,
  vendor: DrmVendor,
  { claims, session, row }: { claims: PlayClaims; session: LicensedSession; row: KeyRow },
): Promise<Record<string, string>> {
  const [issued]: Partial<ContentKey>[] = sendsKey(vendor)
    ? await unwrapped(requireKeks(c.var.config), [row])
    : [];
  return fillHeaders(vendor.headers, {
    keyId: uuidOf(row.keyId),
    key: issued?.key ? toBase64Url(issued.key) : '',
    videoId: session.videoId,
    contentId: session.contentId ?? session.videoId,
    viewerId: session.viewerId,
    sessionId: session.id,
    deviceId: session.deviceId ?? '',
    country: session.country ?? '',
    expiresAt: String(claims.exp),
  });
}

type Asked = {
  url: string;
  timeoutMs: number;
  headers: Record<string, string>;
  challenge: Uint8Array<ArrayBuffer>;
};

async function askVendor(
  c: Context<AppEnv>,
  keySystem: KeySystem,
  { url, timeoutMs, headers, challenge }: Asked,
): Promise<Uint8Array<ArrayBuffer>> {
  let status: number | undefined;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: challenge,
      redirect: 'manual', // our headers go to the configured place alone
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = response.status;
    if (status === 200) {
      const license = await readBytes(response, MAX_ANSWER_BYTES);
      if (license.length > 0) return license;
    }
    await response.body?.cancel().catch(() => undefined);
  } catch (error) {
    // What fetch says may name the address: its kind is enough.
    const kind = error instanceof AppError ? error.code : (error as Error).name;
    c.var.log.warn('license.vendor_failed', { keySystem, status, kind });
    throw new AppError('license_unavailable', { retryAfterSeconds: RETRY_SECONDS });
  }
  c.var.log.warn('license.vendor_refused', { keySystem, status });
  const isVerdict = status >= 400 && status < 500 && status !== 408 && status !== 429;
  if (isVerdict) throw new AppError('license_refused', { detail: `The vendor answered ${status}.` });
  throw new AppError('license_unavailable', { retryAfterSeconds: RETRY_SECONDS });
}
