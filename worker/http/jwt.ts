// Bearer JWTs (RFC 7519, RFC 8725): each key accepts its own algorithms and no other.
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import { Role } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { fromBase64Url } from '../../shared/sign.ts';
import type { Config } from '../env.ts';

const SHARED_SECRET_ALGORITHMS = ['HS256'];
const KEY_SET_ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'Ed25519'];
const CLOCK_SKEW_SECONDS = 10;

const Claims = z.object({
  sub: z.string().min(1).max(256),
  owner: z.string().min(1).max(256).optional(),
  role: Role,
});

/** @throws AppError `unauthorized`, or `token_expired` for a genuine token past its time. */
export async function verifyJwt(
  token: string,
  config: Config,
): Promise<{ ownerId: string; subject: string; role: Role }> {
  const payload = await verifiedPayload(token, config);
  const claims = Claims.safeParse(payload);
  if (!claims.success) {
    throw new AppError('unauthorized', {
      detail: 'The token needs the claims sub and role (admin, uploader, viewer).',
    });
  }
  const { sub, owner, role } = claims.data;
  return { ownerId: owner ?? sub, subject: sub, role };
}

async function verifiedPayload(token: string, config: Config): Promise<JWTPayload> {
  const { alg, typ } = headerOf(token);
  if (typ !== undefined && !/^(application\/)?(at\+)?jwt$/i.test(typ)) throw new AppError('unauthorized');
  const options = {
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    requiredClaims: ['exp', 'sub'],
    clockTolerance: CLOCK_SKEW_SECONDS,
  };
  try {
    if (config.JWT_SECRET && SHARED_SECRET_ALGORITHMS.includes(alg)) {
      const secret = new TextEncoder().encode(config.JWT_SECRET);
      return (await jwtVerify(token, secret, { ...options, algorithms: SHARED_SECRET_ALGORITHMS })).payload;
    }
    if (config.JWT_JWKS_URL && KEY_SET_ALGORITHMS.includes(alg)) {
      const keys = keySetAt(config.JWT_JWKS_URL);
      return (await jwtVerify(token, keys, { ...options, algorithms: KEY_SET_ALGORITHMS })).payload;
    }
  } catch (error) {
    throw toAppError(error);
  }
  throw new AppError('unauthorized', { detail: 'The token is not signed with an algorithm accepted here.' });
}

function headerOf(token: string): { alg: string; typ: string | undefined } {
  // jose forgives a second spelling of the last character; we do not.
  if (!token.split('.').every((part) => fromBase64Url(part))) throw new AppError('unauthorized');
  try {
    const { alg = '', typ } = decodeProtectedHeader(token);
    return { alg, typ };
  } catch (cause) {
    throw new AppError('unauthorized', { cause });
  }
}

/** Errors of the token are the caller's; a key set that cannot be had is ours. */
function toAppError(error: unknown): AppError {
  if (error instanceof errors.JWTExpired) return new AppError('token_expired');
  const isTokensFault =
    error instanceof errors.JOSEError &&
    error.code !== 'ERR_JOSE_GENERIC' &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid);
  if (isTokensFault) return new AppError('unauthorized', { cause: error });
  return new AppError('identity_unavailable', { cause: error, retryAfterSeconds: 5 });
}

// A key set caches its keys; it lives as long as the isolate.
const keySets = new Map<string, JWTVerifyGetKey>();

function keySetAt(url: string): JWTVerifyGetKey {
  let keys = keySets.get(url);
  if (!keys) {
    keys = createRemoteJWKSet(new URL(url));
    keySets.set(url, keys);
  }
  return keys;
}
