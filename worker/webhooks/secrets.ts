// Signing secrets of endpoints. The table holds them wrapped, so a copy of the database signs nothing.
import { z } from 'zod';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { fromBase64Url, type SigningKeys, toBase64Url } from '../../shared/sign.ts';

/** Newest first. The older ones sign until their time is over. */
export const StoredSecrets = z.array(
  z.object({ id: z.string(), kid: z.string(), wrapped: z.string(), until: z.int().optional() }),
);
export type StoredSecrets = z.infer<typeof StoredSecrets>;

export const OVERLAP_SECONDS = DAY_SECONDS;
/** A signature each: rotating over and over does not make the header endless. */
const MAX_SECRETS = 3;
const SECRET_BYTES = 32;
const NONCE_BYTES = 12;

/** `whsec_` and base64 of 32 random bytes. */
export function newSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(SECRET_BYTES))))}`;
}

export function rotated(
  current: StoredSecrets,
  added: StoredSecrets[number],
  nowSeconds: number,
): StoredSecrets {
  const older = current
    .filter((secret) => isLive(secret, nowSeconds))
    .map((secret) => ({ ...secret, until: secret.until ?? nowSeconds + OVERLAP_SECONDS }));
  return [added, ...older].slice(0, MAX_SECRETS);
}

export function isLive({ until }: StoredSecrets[number], nowSeconds: number): boolean {
  return until === undefined || until > nowSeconds;
}

export async function wrapSecret(
  secret: string,
  place: { id: string; endpointId: string },
  keys: SigningKeys,
): Promise<StoredSecrets[number]> {
  const key = keys[0];
  if (!key) throw new Error('no signing key is configured');
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt(
    gcm(iv, place),
    await wrappingKey(key.secret),
    new TextEncoder().encode(secret),
  );
  const bytes = new Uint8Array(NONCE_BYTES + sealed.byteLength);
  bytes.set(iv);
  bytes.set(new Uint8Array(sealed), NONCE_BYTES);
  return { id: place.id, kid: key.kid, wrapped: toBase64Url(bytes) };
}

/** Undefined where the key it was wrapped by is gone from SIGNING_KEYS, or the row was tampered with. */
export async function unwrapSecret(
  { id, kid, wrapped }: StoredSecrets[number],
  endpointId: string,
  keys: SigningKeys,
): Promise<string | undefined> {
  const key = keys.find((candidate) => candidate.kid === kid);
  const bytes = fromBase64Url(wrapped);
  if (!key || !bytes) return undefined;
  try {
    const iv = bytes.subarray(0, NONCE_BYTES);
    const algorithm = gcm(iv, { id, endpointId });
    const opened = await crypto.subtle.decrypt(
      algorithm,
      await wrappingKey(key.secret),
      bytes.subarray(NONCE_BYTES),
    );
    return new TextDecoder().decode(opened);
  } catch {
    // WebCrypto says no more than that it does not open.
    return undefined;
  }
}

function gcm(
  iv: Uint8Array<ArrayBuffer>,
  { id, endpointId }: { id: string; endpointId: string },
): SubtleCryptoEncryptAlgorithm {
  const additionalData = new TextEncoder().encode(`reelay/webhook-secret\0${endpointId}\0${id}`);
  return { name: 'AES-GCM', iv, additionalData };
}

/** Of its own for this purpose: what signs tokens encrypts nothing. RFC 5869. */
async function wrappingKey(secret: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const base = await crypto.subtle.importKey('raw', encoder.encode(secret), 'HKDF', false, ['deriveKey']);
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: encoder.encode('reelay/webhook-secret') },
    base,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
}
