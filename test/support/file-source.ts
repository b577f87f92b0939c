// A local file as the source of a task: served from the loopback with ranges, as the transcoder does it.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type FileSource = AsyncDisposable & {
  url: string;
  sizeBytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  peek(offset: number, length: number): Promise<Uint8Array>;
  readonly failure: unknown;
};

export async function openFileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  const { size: sizeBytes } = await file.stat();
  const read = async (offset: number, length: number) => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - offset)));
    await file.read(bytes, 0, bytes.length, offset);
    return bytes;
  };
  const server = createServer((request, response) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start >= sizeBytes) {
      response.writeHead(416, { 'content-range': `bytes */${sizeBytes}` }).end();
      return;
    }
    response.writeHead(206, {
      'content-range': `bytes ${start}-${sizeBytes - 1}/${sizeBytes}`,
      'content-length': sizeBytes - start,
      'accept-ranges': 'bytes',
    });
    const stream = createReadStream(path, { start });
    stream.on('error', () => response.destroy());
    response.on('close', () => stream.destroy());
    stream.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/source`,
    sizeBytes,
    read,
    peek: read,
    failure: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await file.close();
    },
  };
}
