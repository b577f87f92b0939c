// Queue and ledger on one HTTP server, in the wire format of the real ones and with faults on demand.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Claim } from '../../shared/messages.ts';

export type Call = {
  path: string;
  token: string;
  body: Record<string, unknown>;
  traceparent?: string | undefined;
};
export type Answer = { status: number; body?: unknown };

export type Wire = AsyncDisposable & {
  url: string;
  calls: Call[];
  /** Calls whose path ends so. */
  to(path: string): Call[];
  /** What the ledger hands out, in order; then 204. */
  claims: Claim[];
  /** Messages waiting in the queue. */
  messages: { body: string; id: string; attempts: number; lease_id: string }[];
  /** An answer in place of the usual one. */
  override: ((call: Call) => Answer | Promise<Answer> | 'drop' | undefined) | undefined;
};

export const QUEUE = { accountId: 'acc', queueId: 'q1', token: 'queue-token' };
export const SECRET = 'transcoder-secret-of-32-characters';

export async function startWire(): Promise<Wire> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const { traceparent } = request.headers as { traceparent?: string };
    const call = { path: request.url ?? '', token, body: parsed(text), traceparent };
    wire.calls.push(call);
    const answer = (await wire.override?.(call)) ?? usual(call);
    if (answer === 'drop') return void response.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  });

  const usual = (call: Call): Answer => {
    if (call.path.endsWith('/messages/pull')) {
      const messages = wire.messages.splice(0, Number(call.body.batch_size));
      return { status: 200, body: { success: true, errors: [], messages: [], result: { messages } } };
    }
    if (call.path.endsWith('/messages/ack')) return { status: 200, body: { success: true, result: {} } };
    if (call.path === '/internal/hello') return { status: 200, body: { released: 0 } };
    if (call.path === '/internal/recommend/claim') return { status: 204 };
    if (call.path === '/internal/claim') {
      const claim = wire.claims.shift();
      return claim ? { status: 200, body: claim } : { status: 204 };
    }
    if (call.path === '/internal/heartbeat') return { status: 200, body: { leaseSeconds: 60 } };
    if (call.path === '/internal/commit') return { status: 200, body: { mark: call.body.mark } };
    return { status: 200, body: {} };
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const wire: Wire = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    to: (path) => wire.calls.filter((call) => call.path.endsWith(path)),
    claims: [],
    messages: [],
    override: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return wire;
}

/** Of storage whatever it is, of everything else JSON. */
function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

export function problem(status: number, code: string): Answer {
  return {
    status,
    body: { type: `https://reelay.dev/errors/${code}`, title: code, status, code, detail: `It is ${code}.` },
  };
}

export function claimOf(name: string, changes: Partial<Claim> = {}): Claim {
  const [kind = 'chunk', index = '0'] = name.split(':');
  return {
    jobToken: `token-of-${name}`,
    leaseSeconds: 60,
    heartbeatSeconds: 0.05,
    task: {
      jobId: 'job1',
      name,
      kind: kind as Claim['task']['kind'],
      index: Number(index),
      epoch: 1,
      mark: 0,
    },
    job: {
      videoId: 'video1',
      source: { key: 'sources/video1/upload1', etag: 'etag', sizeBytes: 10 },
      outputPrefix: 'hls/videos/video1/job1/',
      options: { segmentSeconds: 6, preset: 'veryfast' },
    },
    storage: { endpoint: 'http://127.0.0.1:1', bucket: 'media', accessKeyId: 'a', secretAccessKey: 'b' },
    ...changes,
  };
}

export function ticketMessage(id: string, body: unknown = { v: 1, jobId: 'job1' }) {
  const encoded = Buffer.from(JSON.stringify(body)).toString('base64');
  return { body: encoded, id, timestamp_ms: Date.now(), attempts: 1, lease_id: `lease-${id}`, metadata: {} };
}
