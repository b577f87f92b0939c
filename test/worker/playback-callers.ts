// Callers of a deployment with settings of its own: viewers and staff by JWT, servers by API key, guests of a link,
// each from where the edge says they are.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import { SignJWT } from 'jose';
import type { Role } from '../../shared/api.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { signToken } from '../../shared/sign.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { apiKeyId, insertApiKey } from '../../worker/http/api-keys.ts';
import { KEYS, ORIGIN, type PublishedVideo } from './playback-fixtures.ts';

const app = createApp();

export type Headers = Record<string, string>;
type Ask = {
  json?: unknown;
  body?: BodyInit;
  country?: string | undefined;
  address?: string;
  headers?: Headers;
};

/** Requests to a Worker with these settings; a URL of its own origin may stand for a path. */
export function deployment(bindings: Record<string, unknown> = {}) {
  const settings = { ...env, ...bindings } as unknown as Env;
  return async (as: Headers, method: string, path: string, ask: Ask = {}): Promise<Response> => {
    const context = createExecutionContext();
    const init = {
      method,
      headers: { ...as, ...ask.headers, ...(ask.address && { 'CF-Connecting-IP': ask.address }) },
      ...(ask.json === undefined ? {} : { body: JSON.stringify(ask.json) }),
      ...(ask.body === undefined ? {} : { body: ask.body }),
      cf: ask.country === undefined ? {} : { country: ask.country },
    };
    const answer = await app.request(new URL(path, ORIGIN).href, init, settings, context as never);
    await waitOnExecutionContext(context);
    return answer;
  };
}

export type Deployment = ReturnType<typeof deployment>;

export const ANYONE: Headers = {};

export async function person(ownerId: string, subject: string, role: Role = 'viewer'): Promise<Headers> {
  const jwt = await new SignJWT({ role, owner: ownerId })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuer('reelay')
    .setAudience('reelay')
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(env.JWT_SECRET as string));
  return { Authorization: `Bearer ${jwt}` };
}

export async function server(ownerId: string, role: Role = 'viewer'): Promise<Headers> {
  const id = apiKeyId(crypto.randomUUID());
  const { key } = await insertApiKey(env.DB, { id, ownerId, name: 'a server', role });
  return { Authorization: `Bearer ${key}` };
}

export async function guest(video: PublishedVideo): Promise<Headers> {
  const claims = { video: video.id, owner: video.ownerId, exp: Math.floor(Date.now() / 1000) + 60 };
  return { Authorization: `Bearer ${await signToken('watch', claims, KEYS)}` };
}

export async function begun(response: Response | Promise<Response>): Promise<PlayAnswer> {
  const answer = await response;
  if (answer.status !== 200) throw new Error(`play answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as PlayAnswer;
}
