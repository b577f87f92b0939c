// HMAC-SHA-256 tokens of the form `v1.kid.payload.mac`, domain-separated by purpose so that a token of one
// kind never passes for another. Payload and mac are canonical base64url (RFC 4648 §5, no padding).
import { z } from 'zod';
import { AppError } from './errors.ts';

export type TokenPurpose = 'play' | 'job' | 'watch';

/** Signing keys by id. The first signs; all verify, so two live keys make a rotation. */
export type SigningKeys = { kid: string; secret: string }[];

/** What a playback token allows. Times are Unix seconds; `pfx` is an object key prefix. */
export const PlayClaims = z.object({
  pfx: z.string().min(1),
  use: z.literal('play'),
  exp: z.int(),
  nbf: z.int().optional(),
  sid: z.string().min(1),
  maxHeight: z.int().optional(),
  /** Country it was given to, where the video is not for all. */
  cc: z.string().length(2).optional(),
  /** Network it was given to, in CIDR notation, where the deployment binds tokens. */
  ip: z.string().optional(),
});
export type PlayClaims = z.infer<typeof PlayClaims>;

/** What a transcoder may act on after a claim: one task at one epoch. */
export const JobClaims = z.object({ job: z.string(), task: z.string(), epoch: z.int(), exp: z.int() });
export type JobClaims = z.infer<typeof JobClaims>;

/** A link to the watch page: read and play one video as its owner's guest. */
export const WatchClaims = z.object({ video: z.string(), owner: z.string(), exp: z.int() });
export type WatchClaims = z.infer<typeof WatchClaims>;

/** Parses `kid:secret,kid:secret`. Secrets are at least 32 characters. */
export function parseSigningKeys(text: string): SigningKeys {
  const keys = text.split(',').map((pair) => {
    const colon = pair.indexOf(':');
    return { kid: pair.slice(0, colon).trim(), secret: pair.slice(colon + 1).trim() };
  });
  for (const { kid, secret } of keys) {
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(kid) || secret.length < 32) {
      throw new Error('signing keys are kid:secret pairs with secrets of at least 32 characters');
    }
  }
  return keys;
}

export async function signToken(purpose: TokenPurpose, claims: object, keys: SigningKeys): Promise<string> {
  const key = keys[0];
  if (!key) throw new Error('no signing key is configured');
  const payload = toBase64Url(new TextEncoder().encode(JSON.stringify(claims)));
  const mac = await crypto.subtle.sign(
    'HMAC',
    await importKey(key.secret),
    message(purpose, key.kid, payload),
  );
  return `v1.${key.kid}.${payload}.${toBase64Url(new Uint8Array(mac))}`;
}

/**
 * The claims of a genuine token, or undefined for anything else: wrong shape, unknown key, wrong purpose,
 * non-canonical encoding, wrong mac. Expiry is the caller's to judge, since expired and forged answer differently.
 */
export async function verifyToken<T>(
  purpose: TokenPurpose,
  token: string,
  keys: SigningKeys,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const [version, kid, payload, mac, ...rest] = token.split('.');
  if (version !== 'v1' || !kid || !payload || !mac || rest.length > 0) return undefined;
  const key = keys.find((candidate) => candidate.kid === kid);
  const macBytes = fromBase64Url(mac);
  const payloadBytes = fromBase64Url(payload);
  if (!key || !macBytes || !payloadBytes) return undefined;
  // crypto.subtle.verify compares in constant time.
  const isGenuine = await crypto.subtle.verify(
    'HMAC',
    await importKey(key.secret),
    macBytes,
    message(purpose, kid, payload),
  );
  if (!isGenuine) return undefined;
  const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(payloadBytes)));
  return parsed.success ? parsed.data : undefined;
}

/** Claims of a playback token that is genuine and in its time. Clock skew of 30 s is forgiven for `nbf`. */
export async function verifyPlayToken(
  token: string,
  keys: SigningKeys,
  nowSeconds: number,
): Promise<PlayClaims> {
  const claims = await verifyToken('play', token, keys, PlayClaims);
  if (!claims) throw new AppError('playback_token_invalid');
  if (claims.exp <= nowSeconds) throw new AppError('playback_token_expired');
  if (claims.nbf !== undefined && claims.nbf > nowSeconds + 30) throw new AppError('playback_token_invalid');
  return claims;
}

function message(purpose: TokenPurpose, kid: string, payload: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`reelay/${purpose}\0v1.${kid}.${payload}`);
}

// Importing a key costs more than using it; secrets are few and live as long as the process.
const importedKeys = new Map<string, Promise<CryptoKey>>();

function importKey(secret: string): Promise<CryptoKey> {
  let key = importedKeys.get(secret);
  if (!key) {
    const bytes = new TextEncoder().encode(secret);
    key = crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    importedKeys.set(secret, key);
  }
  return key;
}

export function toBase64Url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Decodes only the canonical form, so that no second spelling of a token passes. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return undefined;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  return toBase64Url(bytes) === text ? bytes : undefined;
}

export function toHex(bytes: ArrayBuffer | Uint8Array): string {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return Array.from(view, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param hex whole pairs of digits, as {@link toHex} writes them */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
