// A proxy on loopback between a client and the stack: it loses replies, so that the server has done the work and
// the client never hears of it, and holds requests back, so that a client can be ended in the middle of them.
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

export type FaultProxy = AsyncDisposable & {
  url: string;
  /** What was answered, lost replies included, in order. */
  answers: { method: string; path: string; status: number; isLost: boolean }[];
};

export type Faults = {
  /** Asked for each request once the server has answered it. */
  isReplyLost?: (method: string, path: string) => boolean;
  /** Awaited before a request goes on to the server. */
  holdBack?: (method: string, path: string) => Promise<void>;
};

export async function startFaultProxy(targetUrl: string, faults: Faults): Promise<FaultProxy> {
  const answers: FaultProxy['answers'] = [];
  const server = createServer(async (incoming, outgoing) => {
    const { method = '', url: path = '' } = incoming;
    await faults.holdBack?.(method, path);
    forward(targetUrl, incoming, outgoing, (answer) => {
      const isLost = faults.isReplyLost?.(method, path) ?? false;
      answers.push({ method, path, status: answer.statusCode ?? 0, isLost });
      if (!isLost) {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      // The whole answer first: the work behind it is done by then.
      answer.resume().once('end', () => incoming.socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(
  targetUrl: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onAnswer: (answer: IncomingMessage) => void,
): void {
  const { host } = new URL(targetUrl);
  // A connection of its own: one that is kept may be closed by the other side just now.
  const upstream = sendRequest(
    new URL(incoming.url ?? '/', targetUrl),
    { method: incoming.method, headers: { ...incoming.headers, host }, agent: false },
    onAnswer,
  );
  upstream.once('error', () => outgoing.destroy());
  // A client that is gone takes its request with it.
  outgoing.once('close', () => upstream.destroy());
  incoming.pipe(upstream);
}
