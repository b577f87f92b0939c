// The source as the media tools see it: one loopback URL with an unguessable path, served by ranges from a
// disk cache over R2. The URL lives as long as the task, and no credential goes near it.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KIB } from '../shared/limits.ts';
import { BLOCK_BYTES } from './block-cache.ts';
import { parseByteRange } from './byte-range.ts';
import type { R2 } from './r2.ts';
import type { Scratch } from './scratch.ts';
import {
  type CacheLease,
  createSourceCaches,
  type SourceCaches,
  type SourceObject,
} from './source-caches.ts';

export type Source = AsyncDisposable & {
  url: string;
  sizeBytes: number;
  /** @throws RangeError outside the object, AppError where R2 fails. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** A few bytes from here and there, straight from storage: no block is fetched or kept for them. */
  peek(offset: number, length: number): Promise<Uint8Array>;
  /** A block that could not be had, and has not been since: ffmpeg itself can only say "Input/output error". */
  readonly failure: unknown;
};

/** Blocks fetched beside the one that is waited for, where a read is longer than that. */
const BLOCKS_AHEAD = 3;
/** One write to a socket; small enough that a reader who seeks away has not cost much. */
const WRITE_BYTES = 256 * KIB;

/** @param options.caches where other tasks read the same source; without them the cache is this task's own. */
export async function openSource(
  r2: R2,
  source: SourceObject,
  scratch: Scratch,
  options: { cacheBytes?: number; caches?: SourceCaches } = {},
): Promise<Source> {
  const { sizeBytes } = source;
  const own = options.caches ? undefined : createSourceCaches({ directory: scratch.directory, ...options });
  const cache = await (options.caches ?? own!).open(r2, source);

  const path = `/${randomBytes(24).toString('hex')}`;
  const server = createServer((request, response) => {
    serve(cache, sizeBytes, path, request, response).catch(() => {
      // The reader must see a broken connection: a body that ends early and cleanly looks like a short file.
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}${path}`,
    sizeBytes,
    get failure() {
      return cache.failure;
    },
    read: (offset, length) => readFully(cache, sizeBytes, offset, length),
    peek: (offset, length) =>
      r2.getRange(source.key, offset, Math.min(length, sizeBytes - offset), source.etag),
    async [Symbol.asyncDispose]() {
      await close(server);
      await cache[Symbol.asyncDispose]();
      await own?.[Symbol.asyncDispose]();
    },
  };
}

async function readFully(
  cache: CacheLease,
  sizeBytes: number,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  if (offset < 0 || length < 0 || offset + length > sizeBytes) {
    throw new RangeError(`bytes ${offset} to ${offset + length} lie outside an object of ${sizeBytes}`);
  }
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    for (let ahead = 1; ahead <= BLOCKS_AHEAD; ahead++) {
      const next = offset + filled + ahead * BLOCK_BYTES;
      if (next < offset + length) cache.prefetch(next);
    }
    const piece = await cache.read(offset + filled, length - filled);
    bytes.set(piece, filled);
    filled += piece.byteLength;
  }
  return bytes;
}

async function serve(
  cache: CacheLease,
  sizeBytes: number,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url !== path) return end(response, 404);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return end(response, 405, { Allow: 'GET, HEAD' });

  const range = parseByteRange(request.headers.range, sizeBytes);
  if (range === 'outside') return end(response, 416, { 'Content-Range': `bytes */${sizeBytes}` });
  const { start, end: last } = range === 'whole' ? { start: 0, end: sizeBytes - 1 } : range;
  const headers = {
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
    'Content-Length': last - start + 1,
    ...(range !== 'whole' && { 'Content-Range': `bytes ${start}-${last}/${sizeBytes}` }),
  };
  response.writeHead(range === 'whole' ? 200 : 206, headers);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  await send(cache, start, last + 1, response);
}

async function send(cache: CacheLease, start: number, end: number, response: ServerResponse): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort());
  let block = Math.floor(start / BLOCK_BYTES);
  for (let offset = start; offset < end; ) {
    if (left.signal.aborted) return; // seeked elsewhere
    // Probing touches many places once. A reader that enters a second block reads on.
    if (Math.floor(offset / BLOCK_BYTES) > block) {
      block += 1;
      if ((block + 1) * BLOCK_BYTES < end) cache.prefetch((block + 1) * BLOCK_BYTES);
    }
    const bytes = await cache.read(offset, Math.min(WRITE_BYTES, end - offset));
    offset += bytes.byteLength;
    if (!response.write(bytes)) await once(response, 'drain', { signal: left.signal }).catch(() => undefined);
  }
  response.end();
}

function end(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Length': 0, ...headers });
  response.end();
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
