// Requests made from the OpenAPI document against the Worker: whatever is sent, no answer is a failure of ours, of a
// status nobody wrote down, or of another shape than the document says. `npm run bench -- fuzz` sends 100,000.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../shared/openapi/document.ts';
import { OPERATIONS } from '../../shared/openapi/operations.ts';
import worker from '../../worker/index.ts';
import { ORIGIN } from './api-client.ts';
import { type Answered, type Finding, FuzzChecks } from './fuzz-checks.ts';
import { type FuzzRequest, requestsOf } from './fuzz-requests.ts';
import { OWN_SESSION, OWN_VIDEO } from './fuzz-values.ts';
import { FuzzWorld } from './fuzz-world.ts';

const REQUESTS = Number((env as unknown as { FUZZ_REQUESTS: string }).FUZZ_REQUESTS);
const SEED = Number((env as unknown as { FUZZ_SEED: string }).FUZZ_SEED);
const BATCH = 250;
const AT_ONCE = 16;
/** How often a long run tells how far it is. */
const PROGRESS_REQUESTS = 5000;
const TOP_UP_BATCHES = 2;
/** For whoever reads them. */
const TOLD = 40;

/** The studio is not built for tests of the Worker; and what is counted would be told seconds after each answer. */
const CHANGED = { ASSETS: { fetch: async () => new Response('<!doctype html>') }, METRICS: undefined };

type Sent = Answered & { request: FuzzRequest; sentBytes: number | undefined; tusId: string | null };

it(`answers ${REQUESTS} requests made from the document as the document says`, {
  timeout: 3_600_000,
}, async () => {
  const document = openApiDocument(ORIGIN);
  const checks = new FuzzChecks(document);
  const world = await FuzzWorld.begin();
  const requests = requestsOf(document);
  const findings = new Map<string, number>();
  const statuses = new Map<number, number>();
  const succeeded = new Set<string>();
  const counts: Record<Finding['kind'], number> = { '5xx': 0, 'undocumented status': 0, schema: 0 };
  const startedMs = Date.now();
  for (let from = 0; from < REQUESTS; from += BATCH) {
    const batch = fc.sample(requests, { numRuns: Math.min(BATCH, REQUESTS - from), seed: SEED + from });
    if (from % (BATCH * TOP_UP_BATCHES) === 0) await world.topUp();
    if (from > 0 && from % PROGRESS_REQUESTS === 0)
      console.log(`${from} requests: ${JSON.stringify(counts)}`);
    for (let at = 0; at < batch.length; at += AT_ONCE) {
      const answers = await Promise.all(batch.slice(at, at + AT_ONCE).map((request) => send(world, request)));
      for (const answered of answers) {
        if (answered === undefined) continue;
        statuses.set(answered.status, (statuses.get(answered.status) ?? 0) + 1);
        if (answered.status < 300) {
          succeeded.add(`${answered.request.method} ${answered.request.template}`);
          learn(world, answered);
        }
        for (const { kind, what } of checks.findings(answered)) {
          counts[kind]++;
          const { method, template } = answered.request;
          const line = `${method} ${template}: ${kind}: ${what}`;
          const known = line.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…');
          if (REQUESTS > 5000 && !findings.has(known)) console.log(line);
          findings.set(known, (findings.get(known) ?? 0) + 1);
        }
      }
    }
  }
  const byStatus = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  const never = Object.keys(OPERATIONS).filter((key) => !succeeded.has(key));
  if (REQUESTS > 5000) {
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    console.log(
      JSON.stringify({ requests: REQUESTS, seed: SEED, seconds, counts, byStatus, never }, null, 1),
    );
  }
  const lines = [...findings].map(([line, times]) => `${times} × ${line}`).slice(0, TOLD);
  expect(lines, `of seed ${SEED}; ${byStatus.join(', ')}`).toEqual([]);
  expect(counts).toEqual({ '5xx': 0, 'undocumented status': 0, schema: 0 });
  // It must have come further than to refusals.
  const successes = [...statuses]
    .filter(([status]) => status < 300)
    .reduce((sum, [, count]) => sum + count, 0);
  expect(successes / REQUESTS).toBeGreaterThan(0.2);
  expect(never.length, never.join(', ')).toBeLessThan(Object.keys(OPERATIONS).length / 4);
});

describe('the checks', () => {
  const checks = new FuzzChecks(openApiDocument(ORIGIN));
  const settings = { viewerId: 'v', optOut: true };
  const problem = { type: 't', title: 't', status: 404, code: 'not_found', detail: 'd', requestId: 'r' };
  const answer = (status: number, body: unknown, method = 'PATCH'): Answered => {
    const contentType = status < 400 ? 'application/json' : 'application/problem+json';
    return { method, pathname: '/v1/viewers/v', status, contentType, text: JSON.stringify(body) };
  };

  it.each([
    ['an answer as documented', answer(200, settings)],
    ['a problem as documented', answer(404, problem)],
    [
      'a method that nobody offers',
      answer(405, { ...problem, status: 405, code: 'method_not_allowed' }, 'PUT'),
    ],
  ])('let %s pass', (_, answered) => {
    expect(checks.findings(answered)).toEqual([]);
  });

  it.each([
    ['a field that nobody wrote down', 'schema', answer(200, { ...settings, secret: 1 })],
    ['a field of the wrong type', 'schema', answer(200, { ...settings, optOut: 'yes' })],
    ['a code of another operation', 'schema', answer(404, { ...problem, code: 'stream_track_unknown' })],
    ['a code that does not exist', 'schema', answer(404, { ...problem, code: 'nonsense' })],
    ['a status nobody wrote down', 'undocumented status', answer(418, problem)],
    ['a success where nothing is offered', 'undocumented status', answer(200, settings, 'PUT')],
    ['a failure of ours', '5xx', answer(500, { ...problem, status: 500, code: 'internal' })],
  ] as const)('find %s', (_, kind, answered) => {
    expect(checks.findings(answered).map((finding) => finding.kind)).toEqual([kind]);
  });
});

function learn(world: FuzzWorld, { request, text, sentBytes, tusId }: Sent): void {
  if (tusId) world.learnFrom(request.template, { uploadId: tusId, method: 'tus' }, sentBytes);
  try {
    world.learnFrom(request.template, JSON.parse(text ?? ''), sentBytes);
  } catch {
    // Not every answer is JSON.
  }
}

/** So long no answer may take, however busy the machine is. */
const PATIENCE_MS = 60_000;

/** What never comes must not keep the others from being sent: it is told as a failure of ours. */
async function send(world: FuzzWorld, request: FuzzRequest): Promise<Sent | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<Sent>((resolve) => {
    const { method, template: pathname } = request;
    const answered = {
      method,
      pathname,
      status: 504,
      contentType: '',
      text: `no answer: ${JSON.stringify(request)}`,
    };
    timer = setTimeout(
      () => resolve({ ...answered, request, sentBytes: undefined, tusId: null }),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([answerTo(world, request), tooLate]);
  } finally {
    clearTimeout(timer ?? null);
  }
}

/** Undefined for a request that no client can make. */
async function answerTo(world: FuzzWorld, request: FuzzRequest): Promise<Sent | undefined> {
  const made = requestFor(world, request);
  if (!made) return undefined;
  const context = createExecutionContext();
  const response = await worker.fetch(made as never, { ...env, ...CHANGED } as never, context);
  const text = await bodyOf(response as unknown as Response);
  await waitOnExecutionContext(context);
  return {
    request,
    method: takenFor(request),
    pathname: new URL(made.url).pathname,
    status: response.status,
    contentType: response.headers.get('Content-Type') ?? '',
    text: request.method === 'HEAD' ? undefined : text,
    sentBytes: sizeIn(request),
    tusId: response.headers.get('Reelay-Upload-Id'),
  };
}

function requestFor(world: FuzzWorld, request: FuzzRequest): Request | undefined {
  const { method, template, ids, query, headers, caller, body } = request;
  const chosen = Object.entries(ids).map(
    ([name, choice]) => [name, world.idOf(template, name, choice)] as const,
  );
  let path: string = template;
  for (const [name, id] of chosen) {
    const isPath = name === 'key' && template.startsWith('/p/');
    path = path.replace(`{${name}}`, () =>
      isPath || id.includes('%') ? id : encodeURIComponent(id.toWellFormed()),
    );
  }
  try {
    const url = new URL(path, ORIGIN);
    for (const [name, value] of query) url.searchParams.append(name, value);
    const sent = new Headers();
    const bytes = bytesOf(world, body, chosen[0]?.[1]);
    if (bytes) sent.set('Content-Length', String(bytes.length));
    for (const [name, value] of headers) sent.set(name, value);
    const bearer = world.bearerOf(caller, template);
    if (bearer !== undefined) sent.set('Authorization', `Bearer ${bearer}`);
    const mayHaveBody = method !== 'GET' && method !== 'HEAD' && bytes;
    return new Request(url, { method, headers: sent, ...(mayHaveBody && { body: bytes }) });
  } catch (error) {
    // A header or a path that is none.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function bytesOf(
  world: FuzzWorld,
  body: FuzzRequest['body'],
  uploadId: string | undefined,
): Uint8Array<ArrayBuffer> | undefined {
  if (body === null) return undefined;
  if ('text' in body) {
    const idAt = (template: string) => world.idOf(template, 'id', { nth: 0 });
    const text = body.text
      .replace(OWN_SESSION, idAt('/v1/sessions'))
      .replace(OWN_VIDEO, idAt('/v1/videos/{id}/play'));
    return new Uint8Array(new TextEncoder().encode(text));
  }
  const fitting = Math.min(world.bytesOf(uploadId ?? '') ?? 20, 1000);
  const bytes = new Uint8Array('bytes' in body ? body.bytes : fitting);
  // The first bytes of a file are looked at when all of it is there.
  bytes.set([0, 0, 0, 16, ...new TextEncoder().encode('ftypisom')].slice(0, bytes.length));
  return bytes;
}

function takenFor({ method, template, headers }: FuzzRequest): string {
  const named = headers.findLast(([name]) => name === 'X-HTTP-Method-Override')?.[1];
  return template.startsWith('/v1/tus') && named !== undefined && method !== 'OPTIONS' ? named : method;
}

function sizeIn({ body, headers }: FuzzRequest): number | undefined {
  const length = headers.find(([name]) => name === 'Upload-Length')?.[1];
  if (length !== undefined) return Number(length);
  if (body === null || !('text' in body)) return undefined;
  const [, size] = /"sizeBytes":(\d+)/.exec(body.text) ?? [];
  return size === undefined ? undefined : Number(size);
}

/** A stream of events has no end. */
async function bodyOf(response: Response & { webSocket?: WebSocket | null }): Promise<string> {
  if (response.webSocket) {
    response.webSocket.accept();
    response.webSocket.close();
    return '';
  }
  if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    await response.body?.cancel();
    return '';
  }
  return await response.text();
}
