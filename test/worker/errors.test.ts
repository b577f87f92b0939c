import { createExecutionContext, env, SELF } from 'cloudflare:test';
import { HTTPException } from 'hono/http-exception';
import { describe, expect, it, vi } from 'vitest';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { r2FailureOf } from '../../worker/r2.ts';
import { clientOf, codeOf, ORIGIN, signJwt } from './api-client.ts';

const get = async (path: string, init: RequestInit = {}) =>
  (await SELF.fetch(ORIGIN + path, init as never)) as unknown as Response;

describe('a failure', () => {
  it('is a problem document with its code and the request’s id', async () => {
    const response = await get('/v1/videos');
    expect(response.headers.get('Content-Type')).toBe('application/problem+json');
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const problem = await response.json<Record<string, unknown>>();
    expect(problem).toMatchObject({
      type: 'https://reelay.dev/errors/unauthorized',
      title: 'A valid credential is required',
      status: 401,
      code: 'unauthorized',
    });
    expect(problem.requestId).toBe(response.headers.get('X-Request-Id'));
  });

  it('of a kind nobody foresaw tells the client nothing and the log everything', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const broken = {
      prepare: () => {
        throw new Error('secret detail');
      },
    };
    const response = await ask('/v1/videos', { DB: broken });
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', status: 500 });
    expect(text).not.toContain('secret detail');
    expect(logged.mock.calls.flat().join()).toContain('secret detail');
    logged.mockRestore();
  });

  it.each([
    ['D1_ERROR: D1 DB is overloaded. Requests queued for too long.', 'database_unavailable'],
    ['D1_ERROR: no such column: x', 'internal'],
  ])('of the database is told apart from a mistake of ours: %s', async (message, code) => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const DB = {
      prepare: () => {
        throw new Error(message);
      },
    };
    expect(await codeOf(await ask('/v1/videos', { DB }))).toBe(code);
    logged.mockRestore();
  });

  async function ask(path: string, bindings: object): Promise<Response> {
    const headers = { Authorization: `Bearer ${await signJwt({ ownerId: 'o' })}` };
    const context = createExecutionContext() as never;
    return createApp().request(ORIGIN + path, { headers }, { ...env, ...bindings } as Env, context);
  }
});

describe('an unknown path', () => {
  it('is not found, and a known path with another method says which it takes', async () => {
    const client = await clientOf();
    expect(await client.code('GET', '/v1/nothing')).toBe('not_found');
    const response = await client.call('PUT', '/v1/videos');
    expect(response.headers.get('Allow')).toBe('GET, HEAD');
    expect(await codeOf(response)).toBe('method_not_allowed');
    expect(await client.code('GET', '/v1/videos')).toBe('status 200');
  });
});

describe('a path outside the API', () => {
  it.each([
    ['GET', '/v2/videos', 404, 'not_found'],
    ['POST', '/healthz', 405, 'method_not_allowed'],
    ['OPTIONS', '/healthz', 405, 'method_not_allowed'],
    ['PROPFIND', '/healthz', 405, 'method_not_allowed'],
    ['GET', '/internal/claim', 405, 'method_not_allowed'],
    ['GET', '/v1/jobs/x/events?ticket=x', 401, 'ticket_invalid'],
    ['GET', '/p', 404, 'not_found'],
  ])('%s %s is a problem document too', async (method, path, status, code) => {
    const response = await get(path, { method });
    const requestId = response.headers.get('X-Request-Id');
    expect(response.status).toBe(status);
    expect(response.headers.get('Content-Type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ code, requestId });
  });

  it('is a problem without a body when asked by HEAD', async () => {
    const response = await get('/v2/videos', { method: 'HEAD' });
    expect(response.status).toBe(404);
    expect(await response.text()).toBe('');
  });
});

describe('an exception of the framework', () => {
  it.each([
    [400, 'invalid_request'],
    [500, 'internal'],
  ] as const)('with status %s is rendered like our own', async (status, code) => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const app = createApp();
    app.get('/throws', () => {
      throw new HTTPException(status, { message: 'secret detail' });
    });
    const response = await app.request(`${ORIGIN}/throws`, {}, env as Env, createExecutionContext() as never);
    const text = await response.text();
    expect(response.headers.get('Content-Type')).toBe('application/problem+json');
    expect(JSON.parse(text)).toMatchObject({ code, requestId: response.headers.get('X-Request-Id') });
    expect(text).not.toContain('secret detail');
    logged.mockRestore();
  });
});

describe('a JSON body', () => {
  it('that is no JSON, or too large, is refused', async () => {
    const client = await clientOf();
    expect(await client.code('POST', '/v1/uploads', { body: '{"filename":' })).toBe('invalid_request');
    const blanks = (bytes: number) => JSON.stringify({ filename: 'x', sizeBytes: 1 }).padEnd(bytes, ' ');
    const limitBytes = 256 * 1024;
    expect(await client.code('POST', '/v1/uploads', { body: blanks(limitBytes + 1) })).toBe(
      'upload_body_too_large',
    );
    expect(await client.code('POST', '/v1/uploads', { body: blanks(limitBytes) })).toBe('status 201');
    expect(await client.code('POST', '/v1/uploads', { json: { filename: 'x', sizeBytes: 1 } })).toBe(
      'status 201',
    );
  });
});

describe('cross-origin requests', () => {
  const ORIGINS = 'https://app.example,https://studio.example:8443';

  it.each([
    ['https://app.example', true],
    ['https://studio.example:8443', true],
    ['https://studio.example', false],
    ['http://app.example', false],
    ['https://app.example.evil.test', false],
    ['https://evil-app.example', false],
    ['null', false],
  ])('from %s are allowed: %s', async (origin, isAllowed) => {
    const expected = isAllowed ? origin : null;
    const preflight = await ask('OPTIONS', origin, { 'Access-Control-Request-Method': 'PUT' });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Origin')).toBe(expected);
    const failure = await ask('GET', origin);
    expect(failure.status).toBe(401);
    expect(failure.headers.get('Access-Control-Allow-Origin')).toBe(expected);
    expect(failure.headers.get('Access-Control-Allow-Credentials')).toBeNull();
    expect(failure.headers.get('Vary')).toContain('Origin');
    expect(failure.headers.get('Access-Control-Expose-Headers')).toContain('ETag');
  });

  async function ask(
    method: string,
    origin: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const init = { method, headers: { Origin: origin, ...headers } };
    const bindings = { ...env, CORS_ORIGINS: ORIGINS } as unknown as Env;
    return createApp().request(`${ORIGIN}/v1/videos`, init, bindings, createExecutionContext() as never);
  }
});

describe('the request log', () => {
  it('names the route, never the path', async () => {
    const lines: string[] = [];
    const logged = vi.spyOn(console, 'info').mockImplementation((line) => void lines.push(line));
    await (await get('/p/v1.k1.secretpayload.secretmac/hls/videos/x/y/master.m3u8')).text();
    await (await get('/v1/jobs/j/events?ticket=secretticket')).text();
    logged.mockRestore();
    expect(lines.filter((line) => line.includes('http.request'))).toHaveLength(2);
    expect(lines.join()).not.toContain('secret');
  });
});

describe('health', () => {
  it('is asked without a credential', async () => {
    const response = await get('/healthz');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

describe('errors of R2', () => {
  it.each([
    ['uploadPart: The specified multipart upload does not exist. (10024)', 'no_such_upload'],
    ['completeMultipartUpload: One or more parts could not be found. (10025)', 'invalid_part'],
    ['put: We encountered an internal error. Please try again. (10001)', 'unavailable'],
    ['get: some future trouble (19999)', 'unavailable'],
    ['Network connection lost.', 'unavailable'],
    ['undefined is not a function', undefined],
  ])('are read from their numbers: %s', (message, failure) => {
    expect(r2FailureOf(new Error(message))).toBe(failure);
  });
});
