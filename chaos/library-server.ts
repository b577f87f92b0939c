// Somebody's old library: files by URL and as a bucket of S3's shape, on one server that counts what it is asked.
// It knows GET alone; whatever else comes is counted and refused.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type LibraryServer = AsyncDisposable & {
  url: string;
  /** Path, such as `files/1.mp4` or `bucket/movies/1.mp4`, to content. */
  files: Map<string, Buffer>;
  /** How often each method came. */
  methods: Record<string, number>;
  sentBytes(): number;
};

/** Shorter than any library, so that there are pages. */
const KEYS_PER_PAGE = 7;

export async function startLibraryServer(): Promise<LibraryServer> {
  const files = new Map<string, Buffer>();
  const methods: Record<string, number> = {};
  let sentBytes = 0;
  const server = createServer((request, response) => {
    const method = request.method ?? '';
    methods[method] = (methods[method] ?? 0) + 1;
    if (method !== 'GET') return void response.writeHead(405).end();
    sentBytes += answer(files, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    methods,
    sentBytes: () => sentBytes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(files: Map<string, Buffer>, request: IncomingMessage, response: ServerResponse): number {
  const url = new URL(request.url ?? '/', 'http://library');
  const path = decodeURIComponent(url.pathname.slice(1));
  if (url.searchParams.has('list-type')) return list(files, path.replace(/\/$/, ''), url, response);
  const bytes = files.get(path);
  // A bucket shows nothing to those who bring no signature; whether it is right is not this server's matter.
  const isRefused = path.startsWith('bucket/') && !url.searchParams.has('X-Amz-Signature');
  if (!bytes || isRefused) {
    response.writeHead(bytes ? 403 : 404).end();
    return 0;
  }
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(bytes.length, last ? Number(last) + 1 : bytes.length);
  response.writeHead(first === undefined ? 200 : 206, {
    etag: etagOf(bytes),
    'content-length': end - start,
    ...(first !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  response.end(bytes.subarray(start, end));
  return end - start;
}

/** ListObjectsV2, as much of it as a client needs. */
function list(files: Map<string, Buffer>, bucket: string, url: URL, response: ServerResponse): number {
  const prefix = url.searchParams.get('prefix') ?? '';
  const after = url.searchParams.get('continuation-token') ?? '';
  const keys = [...files.keys()]
    .flatMap((path) => (path.startsWith(`${bucket}/`) ? [path.slice(bucket.length + 1)] : []))
    .filter((key) => key.startsWith(prefix) && key > after)
    .toSorted();
  const page = keys.slice(0, KEYS_PER_PAGE);
  const next = keys.length > page.length ? page.at(-1) : undefined;
  const contents = page.map((key) => {
    const bytes = files.get(`${bucket}/${key}`)!;
    return `<Contents><Key>${key}</Key><ETag>${etagOf(bytes)}</ETag><Size>${bytes.length}</Size></Contents>`;
  });
  const more = next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`;
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
      `<IsTruncated>${next !== undefined}</IsTruncated>${more}${contents.join('')}</ListBucketResult>`,
  );
  return 0;
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
