// tus's checksum extension: one digest over the body of one request.
import { AppError } from '../../shared/errors.ts';
import type { BodyChecksum } from './body-checksum.ts';

/** Names of the protocol and of Web Crypto. The protocol asks for sha1 at least. */
const ALGORITHMS: Record<string, string> = {
  sha1: 'SHA-1',
  sha256: 'SHA-256',
  sha512: 'SHA-512',
  md5: 'MD5',
};

export const TUS_CHECKSUM_ALGORITHMS = Object.keys(ALGORITHMS).join(',');

/** @throws AppError `upload_checksum_unsupported`, `invalid_request` */
export function readChecksum(header: string): BodyChecksum {
  const [, name = '', digest = ''] = /^([a-z0-9-]+) ([A-Za-z0-9+/]+={0,2})$/.exec(header) ?? [];
  const algorithm = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined;
  if (name !== '' && algorithm === undefined) {
    throw new AppError('upload_checksum_unsupported', {
      detail: `Checksums offered here are ${TUS_CHECKSUM_ALGORITHMS}.`,
    });
  }
  if (algorithm === undefined) {
    throw new AppError('invalid_request', {
      detail: 'Upload-Checksum is an algorithm, a space and the checksum in Base64.',
    });
  }
  return { algorithm, digest };
}
