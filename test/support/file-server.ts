// Somebody else's file server, as good or as bad as a test wants it: ranges, validators, broken connections.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Behaviour = {
  bytes: Uint8Array;
  /** Headers such as etag and last-modified. */
  headers: Record<string, string>;
  hasRanges: boolean;
  /** Sent without a length. */
  isChunked: boolean;
  /** Body bytes after which a connection is cut, per request from the first on; then none is. */
  cutAfter: number[];
  /** Sleeps this long after every 64 KiB. */
  pauseMs: number;
  /** Body bytes after which it sleeps a second after every 64 KiB, for as long as this stands. */
  slowAfter?: number;
  /** Takes the request over; true when it has been answered. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean | undefined;
};

export type ServedRequest = { range: string | undefined; ifRange: string | undefined; sentBytes: number };

export type FileServer = AsyncDisposable & {
  url: string;
  behaviour: Behaviour;
  requests: ServedRequest[];
  /** Body bytes handed to connections, over all requests. */
  sentBytes(): number;
};

const PIECE_BYTES = 64 * 1024;

export async function startFileServer(
  bytes: Uint8Array,
  changes: Partial<Behaviour> = {},
): Promise<FileServer> {
  const behaviour: Behaviour = {
    bytes,
    headers: { etag: '"one"' },
    hasRanges: true,
    isChunked: false,
    cutAfter: [],
    pauseMs: 0,
    ...changes,
  };
  const requests: ServedRequest[] = [];
  const server = createServer((request, response) => {
    const served: ServedRequest = {
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
      sentBytes: 0,
    };
    requests.push(served);
    if (behaviour.answer?.(request, response)) return;
    serve(behaviour, served, response, behaviour.cutAfter[requests.length - 1]).catch(() =>
      response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    behaviour,
    requests,
    sentBytes: () => requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function serve(
  behaviour: Behaviour,
  served: ServedRequest,
  response: ServerResponse,
  cutAfter: number | undefined,
): Promise<void> {
  const { bytes, headers, hasRanges } = behaviour;
  const isCurrent = served.ifRange === undefined || Object.values(headers).includes(served.ifRange);
  const first = hasRanges && isCurrent ? /^bytes=(\d+)-$/.exec(served.range ?? '')?.[1] : undefined;
  const start = Number(first ?? 0);
  if (first !== undefined && start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  response.writeHead(first === undefined ? 200 : 206, {
    ...headers,
    ...(!behaviour.isChunked && { 'content-length': bytes.length - start }),
    ...(first !== undefined && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  const end = Math.min(bytes.length, start + (cutAfter ?? Number.POSITIVE_INFINITY));
  for (let at = start; at < end; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, Math.min(at + PIECE_BYTES, end));
    if (response.destroyed) return;
    served.sentBytes += piece.length;
    // Once the kernel has it: a cut must not take back what was counted as sent.
    await new Promise<void>((resolve, reject) =>
      response.write(piece, (error) => (error ? reject(error) : resolve())),
    );
    if (behaviour.pauseMs > 0) await sleep(behaviour.pauseMs);
    if (behaviour.slowAfter !== undefined && served.sentBytes > behaviour.slowAfter) await sleep(1000);
  }
  if (cutAfter === undefined) response.end();
  // The reader gets what was sent, and then no end.
  else setTimeout(() => response.destroy(), 50);
}
