// GET /healthz for whoever runs the container.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HealthState = { workerId: string; slots: number; running: string[]; isDraining: boolean };

export async function startHealthServer(
  address: { host: string; port: number },
  state: () => HealthState,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((request, response) => {
    const isKnown = request.url === '/healthz' && (request.method === 'GET' || request.method === 'HEAD');
    const now = state();
    response.writeHead(isKnown ? (now.isDraining ? 503 : 200) : 404, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    response.end(isKnown && request.method === 'GET' ? JSON.stringify(now) : undefined);
  });
  server.listen(address.port, address.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
