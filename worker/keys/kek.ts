// Key encryption keys: content keys leave this module either wrapped or on their way to who may have them.
import type { KeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import { fromBase64Url, toBase64Url } from '../../shared/sign.ts';

/** What a wrapped key belongs to: moved to another row it does not unwrap. */
export type KeyPlace = { jobId: string; n: number; scheme: string; keyId: string };
export type WrappedKey = { kekId: string; wrapped: string };

const NONCE_BYTES = 12;

export async function wrapKey(
  keks: KeyEncryptionKeys,
  key: Uint8Array<ArrayBuffer>,
  place: KeyPlace,
): Promise<WrappedKey> {
  const kek = keks[0];
  if (!kek) throw new Error('no key encryption key is configured');
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt(gcm(iv, place), await imported(kek.secret), key);
  const bytes = new Uint8Array(NONCE_BYTES + sealed.byteLength);
  bytes.set(iv);
  bytes.set(new Uint8Array(sealed), NONCE_BYTES);
  return { kekId: kek.kid, wrapped: toBase64Url(bytes) };
}

/** @throws Error where the KEK is gone from the configuration, or the row was tampered with */
export async function unwrapKey(
  keks: KeyEncryptionKeys,
  { kekId, wrapped }: WrappedKey,
  place: KeyPlace,
): Promise<Uint8Array<ArrayBuffer>> {
  const kek = keks.find(({ kid }) => kid === kekId);
  if (!kek) throw new Error(`KEYS_KEK has no key ${kekId}`);
  const bytes = fromBase64Url(wrapped);
  if (!bytes || bytes.length <= NONCE_BYTES) throw new Error('a wrapped key is damaged');
  const iv = bytes.subarray(0, NONCE_BYTES);
  const key = await crypto.subtle.decrypt(
    gcm(iv, place),
    await imported(kek.secret),
    bytes.subarray(NONCE_BYTES),
  );
  return new Uint8Array(key);
}

function gcm(
  iv: Uint8Array<ArrayBuffer>,
  { jobId, n, scheme, keyId }: KeyPlace,
): SubtleCryptoEncryptAlgorithm {
  const additionalData = new TextEncoder().encode(`reelay/content-key\0${jobId}\0${n}\0${scheme}\0${keyId}`);
  return { name: 'AES-GCM', iv, additionalData };
}

function imported(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', secret, 'AES-GCM', false, ['encrypt', 'decrypt']);
}
