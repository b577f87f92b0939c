// An object store in a process of its own, so that its CPU time is nobody else's: as much of S3 as the transcoder's
// client speaks, in memory, without checking signatures. Run as a program; it prints its port.
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Stored = { bytes: Buffer; etag: string };

const objects = new Map<string, Stored>();
/** Parts of the uploads that are not complete, by upload and then by number. */
const uploads = new Map<string, Map<number, Buffer>>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://store');
  const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'));
  const end = (status: number, headers: Record<string, string | number> = {}, body?: Buffer | string) => {
    response.writeHead(status, headers);
    response.end(body);
  };
  if (request.method === 'POST' && url.searchParams.has('uploads')) return end(200, {}, createUpload());
  const uploadId = url.searchParams.get('uploadId') ?? '';
  const parts = uploads.get(uploadId);
  if (parts && request.method === 'PUT') {
    parts.set(Number(url.searchParams.get('partNumber')), await bodyOf(request));
    return end(200, { etag: '"part"', 'content-length': 0 });
  }
  if (parts && request.method === 'POST') {
    store(key, Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes)));
    uploads.delete(uploadId);
    return end(200, {}, '<CompleteMultipartUploadResult/>');
  }
  if (request.method === 'PUT') return end(await put(key, request), { 'content-length': 0 });
  if (url.searchParams.has('list-type')) return end(200, {}, listing(url.searchParams.get('prefix') ?? ''));
  const held = objects.get(key);
  if (!held) return end(404, { 'content-length': 0 });
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const piece = range ? held.bytes.subarray(Number(range[1]), Number(range[2]) + 1) : held.bytes;
  const headers = { etag: `"${held.etag}"`, 'content-length': piece.length };
  if (request.method === 'HEAD') return end(200, headers);
  end(range ? 206 : 200, headers, piece);
}

async function put(key: string, request: IncomingMessage): Promise<number> {
  const bytes = await bodyOf(request);
  if (request.headers['if-none-match'] === '*' && objects.has(key)) return 412;
  store(key, bytes);
  return 200;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function store(key: string, bytes: Buffer): void {
  objects.set(key, { bytes, etag: createHash('md5').update(bytes).digest('hex') });
}

function createUpload(): string {
  const uploadId = randomUUID();
  uploads.set(uploadId, new Map());
  return `<InitiateMultipartUploadResult><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`;
}

function listing(prefix: string): string {
  const contents = [...objects]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, { bytes, etag }]) => {
      const fields = `<Key>${key}</Key><Size>${bytes.length}</Size><ETag>"${etag}"</ETag>`;
      return `<Contents>${fields}</Contents>`;
    });
  return `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`;
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log((server.address() as AddressInfo).port);
process.once('disconnect', () => process.exit(0)); // its parent is gone
