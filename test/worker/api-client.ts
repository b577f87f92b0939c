// The API as a client meets it: a bearer token, JSON in and out, problems by their code.
import { env, SELF } from 'cloudflare:test';
import { type JWTHeaderParameters, SignJWT } from 'jose';
import { expect } from 'vitest';
import type { Role } from '../../shared/api.ts';

export const ORIGIN = 'https://reelay.test';

export type TokenChoices = {
  ownerId: string;
  role?: Role | 'root' | undefined;
  header?: Partial<JWTHeaderParameters>;
  issuer?: string | undefined;
  audience?: string | undefined;
  /** Seconds from now; negative for a token past its time, null for a token without. */
  expiresIn?: number | null;
  secret?: string;
};

/** A JWT that passes, unless a choice says otherwise. */
export function signJwt(choices: TokenChoices): Promise<string> {
  const { ownerId, header, expiresIn = 600, secret = env.JWT_SECRET as string } = choices;
  const jwt = new SignJWT(
    'role' in choices && choices.role === undefined ? {} : { role: choices.role ?? 'admin' },
  );
  jwt.setProtectedHeader({ alg: 'HS256', typ: 'JWT', ...header }).setSubject(ownerId);
  const issuer = 'issuer' in choices ? choices.issuer : 'reelay';
  const audience = 'audience' in choices ? choices.audience : 'reelay';
  if (issuer !== undefined) jwt.setIssuer(issuer);
  if (audience !== undefined) jwt.setAudience(audience);
  if (expiresIn !== null) jwt.setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn);
  return jwt.sign(new TextEncoder().encode(secret));
}

export type Client = Awaited<ReturnType<typeof clientOf>>;

type CallOptions = { json?: unknown; body?: BodyInit; headers?: Record<string, string> };

/** A client with an owner of its own, since storage is shared by the tests of a file. */
export async function clientOf(role: Role = 'admin', ownerId = `owner-${crypto.randomUUID()}`) {
  return clientWith(await signJwt({ ownerId, role }), ownerId);
}

export function clientWith(token: string, ownerId = '') {
  const call = async (method: string, path: string, options: CallOptions = {}): Promise<Response> => {
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    return (await SELF.fetch(ORIGIN + path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...options.headers },
      ...(body !== undefined && { body: body as never }),
    })) as unknown as Response;
  };
  return {
    ownerId,
    call,
    /** The JSON of an answer with the expected status. */
    async json<T = Record<string, unknown>>(
      status: number,
      method: string,
      path: string,
      options?: CallOptions,
    ): Promise<T> {
      const response = await call(method, path, options);
      const text = await response.text();
      expect(response.status, text).toBe(status);
      return (text === '' ? {} : JSON.parse(text)) as T;
    },
    /** The code of the problem the request meets. */
    async code(method: string, path: string, options?: CallOptions): Promise<string> {
      return codeOf(await call(method, path, options));
    },
  };
}

/** A problem's code; for an answer that is no problem, its status. */
export async function codeOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.headers.get('Content-Type') !== 'application/problem+json') return `status ${response.status}`;
  return (JSON.parse(text) as { code: string }).code;
}
