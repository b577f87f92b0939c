// A media host that can fail: forwards whatever it is asked on loopback, until it is ended with everything it was
// sending.
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type LoopbackProxy = {
  url: string;
  /** From now on nobody listens there, and what was on its way breaks off. */
  end(): Promise<void>;
};

/** @param target asked for with each request, so that it may be started later */
export async function startProxy(target: () => string): Promise<LoopbackProxy> {
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    // A connection of its own: one that is kept may be closed by the other side just now.
    const forwarded = request(target() + incoming.url, { method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    end: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
