// Key encryption keys as a deployment configures them.
import { fromBase64Url } from './sign.ts';

/** By id. The first wraps; all unwrap, so an old one stays for as long as anything names it. */
export type KeyEncryptionKeys = { kid: string; secret: Uint8Array<ArrayBuffer> }[];

/** AES-256. */
const KEK_BYTES = 32;

/** Parses `kid:secret,kid:secret`, secrets being base64url of 32 bytes. @throws Error */
export function parseKeyEncryptionKeys(text: string): KeyEncryptionKeys {
  return text.split(',').map((pair) => {
    const [kid = '', encoded = '', ...rest] = pair.trim().split(':');
    const secret = fromBase64Url(encoded);
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(kid) || secret?.length !== KEK_BYTES || rest.length > 0) {
      throw new Error('is a list of kid:secret pairs, each secret 32 random bytes in base64url');
    }
    return { kid, secret };
  });
}
