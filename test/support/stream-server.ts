// Serves a stream from memory, as well or as badly as a test wants it.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { contentTypeOf } from '../../shared/object-keys.ts';

export type StreamFile = {
  bytes: Uint8Array;
  headers?: Record<string, string>;
  status?: number;
  /** The connection is cut after so many bytes of the body. */
  cutAfter?: number;
  ignoresRanges?: boolean;
};
/** By name. */
export type StreamFiles = Map<string, StreamFile>;

export type StreamServer = AsyncDisposable & { url: (name: string) => string; files: StreamFiles };

export async function startStreamServer(): Promise<StreamServer> {
  const server = createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url!, 'http://x').pathname.slice(1));
    const file = started.files.get(name);
    if (file) answer(name, file, request.headers.range, response);
    else response.writeHead(404).end('nothing here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const started: StreamServer = {
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    files: new Map(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return started;
}

function answer(name: string, file: StreamFile, range: string | undefined, response: ServerResponse): void {
  const { bytes, headers, status = 200, cutAfter } = file;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  const isRange = first !== undefined && !file.ignoresRanges;
  const body = isRange ? bytes.subarray(Number(first), Number(last) + 1) : bytes;
  response.writeHead(isRange ? 206 : status, {
    'content-type': name.endsWith('.ts') ? 'video/mp2t' : (contentTypeOf(name) ?? 'application/octet-stream'),
    'content-length': body.length,
    ...headers,
  });
  if (cutAfter === undefined) response.end(body);
  else response.write(body.subarray(0, cutAfter), () => response.destroy());
}
