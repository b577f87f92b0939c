// The API with other settings than those the tests run with, and with everything a request leaves to be done
// after its answer.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import type { Role } from '../../shared/api.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { ORIGIN, signJwt } from './api-client.ts';

const app = createApp();

type Ask = { json?: unknown; body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> };

/** One owner's requests to a Worker with these bindings in place of the usual ones. */
export async function apiUnder(
  bindings: Record<string, unknown>,
  ownerId = `owner-${crypto.randomUUID()}`,
  role: Role = 'admin',
) {
  const settings = { ...env, ...bindings } as unknown as Env;
  const token = await signJwt({ ownerId, role });
  const ask = async (method: string, path: string, { json, body, headers }: Ask = {}): Promise<Response> => {
    const context = createExecutionContext();
    const sent = json === undefined ? body : new TextEncoder().encode(JSON.stringify(json));
    const init = {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(sent && { 'Content-Length': String(sent.byteLength) }),
        ...headers,
      },
      ...(sent && { body: sent }),
    };
    const answer = await app.request(ORIGIN + path, init, settings, context as never);
    await waitOnExecutionContext(context);
    return answer;
  };
  return { ownerId, settings, ask };
}

export type Api = Awaited<ReturnType<typeof apiUnder>>;
