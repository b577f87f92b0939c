// A checksum that comes along with a body and is compared as the bytes pass. R2's binding takes checksums of whole
// objects alone, not of parts, so the comparison is made here.
import { AppError } from '../../shared/errors.ts';

/** `digest` is Base64, as the client sent it. */
export type BodyChecksum = { algorithm: string; digest: string };

/** Names of RFC 9530 and of Web Crypto, strongest first. */
const ALGORITHMS = [
  ['sha-512', 'SHA-512'],
  ['sha-256', 'SHA-256'],
] as const;

/**
 * `Content-Digest` (RFC 9530), else `Content-MD5` as S3 clients send it. Of several digests the strongest counts.
 *
 * @throws AppError `upload_checksum_unsupported`, `invalid_request`
 */
export function readContentDigest(headers: Headers): BodyChecksum | undefined {
  const field = headers.get('Content-Digest');
  if (field === null) return readContentMd5(headers.get('Content-MD5'));
  const digests = new Map<string, string>();
  for (const member of field.split(',')) {
    const [, name, digest] = /^\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]+={0,2}):\s*$/.exec(member) ?? [];
    if (name === undefined || digest === undefined) {
      throw new AppError('invalid_request', {
        detail: 'Content-Digest is an algorithm and Base64 between colons: sha-256=:…:.',
      });
    }
    digests.set(name, digest);
  }
  for (const [name, algorithm] of ALGORITHMS) {
    const digest = digests.get(name);
    if (digest !== undefined) return { algorithm, digest };
  }
  throw new AppError('upload_checksum_unsupported', {
    detail: `Content-Digest takes ${ALGORITHMS.map(([name]) => name).join(' and ')} here.`,
  });
}

function readContentMd5(digest: string | null): BodyChecksum | undefined {
  if (digest === null) return undefined;
  if (/^[A-Za-z0-9+/]{22}==$/.test(digest)) return { algorithm: 'MD5', digest };
  throw new AppError('invalid_request', { detail: 'Content-MD5 is 16 bytes in Base64.' });
}

/** Takes the bytes as they pass. */
export class ChecksumCheck {
  readonly #expected: string;
  readonly #stream: DigestStream;
  readonly #writer: WritableStreamDefaultWriter;

  constructor({ algorithm, digest }: BodyChecksum) {
    this.#expected = digest;
    this.#stream = new crypto.DigestStream(algorithm);
    this.#writer = this.#stream.getWriter();
  }

  add(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  /** Whether the bytes so far are the promised ones; nothing can be added afterwards. */
  async holds(): Promise<boolean> {
    await this.#writer.close();
    const actual = new Uint8Array(await this.#stream.digest);
    return btoa(String.fromCharCode(...actual)) === this.#expected;
  }
}
