// The upload API as a client sees it, in memory and with faults on demand: what it was sent, what it holds. A body
// without a checksum, or with one it does not match, is refused.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UploadState } from '../../shared/states.ts';

export type StandInRequest = {
  kind: 'create' | 'status' | 'presign' | 'part' | 'storage' | 'report' | 'complete' | 'abort';
  number: number;
  /** How many requests of this kind for this part there were, this one included. */
  attempt: number;
};

/** Refused with a problem, cut off before an answer, or done with the answer lost. */
export type Fault = { status: number; code: string; headers?: Record<string, string> } | 'cut' | 'reply lost';

export type UploadStandIn = Awaited<ReturnType<typeof startUploadStandIn>>;

type Method = 'single' | 'multipart' | 'presigned';

export async function startUploadStandIn(sizeBytes: number, partSizeBytes: number) {
  const standIn = {
    url: '',
    uploadId: 'u1',
    state: 'created' as UploadState,
    /** Methods it offers; another is refused at creation. */
    methods: ['single', 'multipart', 'presigned'] as Method[],
    method: 'multipart' as Method,
    held: new Map<number, string>(),
    requests: [] as StandInRequest[],
    /** Whole parts that arrived, in order: part number and the first byte. */
    arrived: [] as { number: number; sizeBytes: number; firstByte: number }[],
    keys: [] as string[],
    mostAtOnce: 0,
    fault: (_request: StandInRequest): Fault | undefined => undefined,
    count: (kind: StandInRequest['kind']) =>
      standIn.requests.filter((request) => request.kind === kind).length,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  let atOnce = 0;
  const partCount = Math.ceil(sizeBytes / partSizeBytes);

  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { kind, number } = routeOf(request.method ?? '', request.url ?? '');
    const attempt = standIn.requests.filter((r) => r.kind === kind && r.number === number).length + 1;
    const described = { kind, number, attempt };
    standIn.requests.push(described);
    const fault = standIn.fault(described);
    if (fault === 'cut') return void request.socket.destroy();
    atOnce += kind === 'part' ? 1 : 0;
    standIn.mostAtOnce = Math.max(standIn.mostAtOnce, atOnce);
    const body = await bodyOf(request).catch(() => undefined);
    atOnce -= kind === 'part' ? 1 : 0;
    if (body === undefined) return;
    if (fault && fault !== 'reply lost') {
      const problem = JSON.stringify({ code: fault.code, detail: 'No.' });
      return void response.writeHead(fault.status, fault.headers).end(problem);
    }
    if (kind === 'create') standIn.keys.push(String(request.headers['idempotency-key']));
    const isWhole = (kind !== 'part' && kind !== 'storage') || matchesChecksum(request, body);
    const { status, json, headers } = isWhole ? answerTo(described, body) : DAMAGED;
    if (fault === 'reply lost') return void request.socket.destroy();
    response.writeHead(status, headers).end(json === undefined ? undefined : JSON.stringify(json));
  }

  type Answer = { status: number; json?: object; headers?: Record<string, string> };

  function answerTo({ kind, number }: StandInRequest, body: Buffer): Answer {
    if (kind === 'create') return create(JSON.parse(body.toString()));
    if (kind === 'status') return { status: 200, json: { ...described(), ...statusOf() } };
    if (kind === 'presign') {
      const { numbers } = JSON.parse(body.toString()) as { numbers: number[] };
      return { status: 200, json: { parts: numbers.map(addressOf) } };
    }
    if (kind === 'report') {
      standIn.held.set(number, JSON.parse(body.toString()).etag);
      return { status: 204 };
    }
    if (kind === 'part' || kind === 'storage') {
      standIn.arrived.push({ number, sizeBytes: body.length, firstByte: body[0] ?? -1 });
      if (kind === 'storage') return { status: 200, headers: { etag: `"stored-${number}"` } };
      standIn.held.set(number, `stored-${number}`);
      return { status: 200, json: { number, etag: `stored-${number}`, sizeBytes: body.length } };
    }
    if (kind === 'abort') {
      standIn.state = 'aborted';
      return { status: 204 };
    }
    if (standIn.held.size < partCount)
      return { status: 409, json: { code: 'upload_parts_missing', detail: 'Parts are missing.' } };
    standIn.state = 'accepted';
    return { status: 200, json: { videoId: 'v', jobId: 'j' } };
  }

  function create({ method }: { method: Method | 'auto' }): Answer {
    if (method !== 'auto' && !standIn.methods.includes(method))
      return { status: 422, json: { code: 'upload_method_unavailable', detail: 'Not here.' } };
    if (method !== 'auto') standIn.method = method;
    else standIn.method = 'single';
    return { status: 201, json: described() };
  }

  const described = () => ({
    ...{ uploadId: standIn.uploadId, videoId: 'v', method: standIn.method },
    ...{ partSizeBytes, partCount, expiresAt: '2036-01-01T00:00:00Z' },
  });
  const statusOf = () => {
    const parts = [...standIn.held].map(([number, etag]) => ({ number, etag, sizeBytes: 1 }));
    return { state: standIn.state, sizeBytes, receivedBytes: parts.length, parts };
  };
  const addressOf = (number: number) => ({ number, url: `${standIn.url}/storage/${number}`, headers: {} });
  return standIn;
}

const DAMAGED = { status: 422, json: { code: 'upload_checksum_mismatch', detail: 'Damaged.' }, headers: {} };

function matchesChecksum({ headers }: IncomingMessage, body: Buffer): boolean {
  const base64 = (algorithm: string) => createHash(algorithm).update(body).digest('base64');
  const { 'content-digest': digest, 'content-md5': md5 } = headers;
  return digest === `sha-256=:${base64('sha256')}:` || md5 === base64('md5');
}

function routeOf(method: string, url: string): { kind: StandInRequest['kind']; number: number } {
  const number = Number(/\/(?:parts|storage)\/(\d+)/.exec(url)?.[1] ?? 0);
  if (url.startsWith('/storage/')) return { kind: 'storage', number };
  if (url.endsWith('/etag')) return { kind: 'report', number };
  if (url.endsWith('/complete')) return { kind: 'complete', number };
  if (url.endsWith('/parts')) return { kind: 'presign', number };
  if (url.endsWith('/content')) return { kind: 'part', number: 1 };
  if (number > 0) return { kind: 'part', number };
  if (method === 'DELETE') return { kind: 'abort', number };
  return { kind: method === 'POST' ? 'create' : 'status', number };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
