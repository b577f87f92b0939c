// Requests as fast as a server takes them, over a few kept connections of their own: so little work per request
// that the server stays what is measured.
import { createConnection, type Socket } from 'node:net';

export type Load = { requestsPerSecond: number; bytes: number; statuses: Map<number, number> };

/** GETs each path once, in order, over `connections` sockets. */
export async function loadFrom(origin: string, paths: string[], connections: number): Promise<Load> {
  const { hostname, port, host } = new URL(origin);
  const load: Load = { requestsPerSecond: 0, bytes: 0, statuses: new Map() };
  let next = 0;
  const startedMs = performance.now();
  const walk = async () => {
    const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
    try {
      while (next < paths.length) {
        const path = paths[next++]!;
        const { status, bytes } = await answerTo(socket, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        load.bytes += bytes;
        load.statuses.set(status, (load.statuses.get(status) ?? 0) + 1);
      }
    } finally {
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: connections }, walk));
  load.requestsPerSecond = paths.length / ((performance.now() - startedMs) / 1000);
  return load;
}

const END_OF_HEAD = '\r\n\r\n';

/** One answer with a Content-Length; its bytes are counted and dropped. */
function answerTo(socket: Socket, request: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    let missing = -1;
    let answer = { status: 0, bytes: 0 };
    const settle = (end: () => void) => {
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('close', onClose);
      end();
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Error('the server hung up')));
    const onData = (piece: Buffer) => {
      if (missing >= 0) {
        missing -= piece.length;
      } else {
        head = head.length === 0 ? piece : Buffer.concat([head, piece]);
        const end = head.indexOf(END_OF_HEAD);
        if (end < 0) return;
        const text = head.toString('latin1', 0, end);
        const length = /^content-length: *(\d+)/im.exec(text)?.[1];
        if (length === undefined) return onError(new Error(`no Content-Length in ${text}`));
        answer = { status: Number(text.slice(9, 12)), bytes: Number(length) };
        missing = answer.bytes - (head.length - end - END_OF_HEAD.length);
      }
      if (missing <= 0) settle(() => resolve(answer));
    };
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(request);
  });
}
