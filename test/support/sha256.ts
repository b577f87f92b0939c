// Of bytes in Node and in workerd alike.
import { toHex } from '../../shared/sign.ts';

export async function sha256Of(bytes: BufferSource): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', bytes));
}
