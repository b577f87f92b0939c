// A proxy on loopback that loses replies: the server has done the work, the client never hears of it.
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

export type FaultProxy = AsyncDisposable & { url: string; droppedReplies(): number };

/** @param isReplyLost asked for each request once the server has answered it */
export async function startFaultProxy(
  targetUrl: string,
  isReplyLost: (method: string, path: string) => boolean,
): Promise<FaultProxy> {
  let dropped = 0;
  const server = createServer((incoming, outgoing) => {
    forward(targetUrl, incoming, outgoing, (answer) => {
      if (!isReplyLost(incoming.method ?? '', incoming.url ?? '')) {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      dropped += 1;
      // The whole answer first: the work behind it is done by then.
      answer.resume().once('end', () => incoming.socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    droppedReplies: () => dropped,
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
  const upstream = sendRequest(
    new URL(incoming.url ?? '/', targetUrl),
    { method: incoming.method, headers: { ...incoming.headers, host } },
    onAnswer,
  );
  upstream.once('error', () => outgoing.destroy());
  incoming.pipe(upstream);
}
