// GET /healthz and GET /metrics for whoever runs the container.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metricsText } from './metrics.ts';

export type HealthState = {
  workerId: string;
  slots: number;
  running: string[];
  isDraining: boolean;
  /** What all its tasks may take together. */
  memoryBytes?: number;
};

export async function startHealthServer(
  address: { host: string; port: number },
  state: () => HealthState,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((request, response) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const path = isRead ? request.url : undefined;
    const now = state();
    const answer = (status: number, contentType: string, text?: string) => {
      response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(request.method === 'GET' ? text : undefined);
    };
    if (path === '/metrics') answer(200, 'text/plain; version=0.0.4; charset=utf-8', metricsText(now));
    else if (path === '/healthz') answer(now.isDraining ? 503 : 200, 'application/json', JSON.stringify(now));
    else answer(404, 'application/json');
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
