// An internet of the test's own: names and their addresses, one https server that has every public name, and a
// canary on loopback that stands for everything an import must never reach.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { AppError } from '../../shared/errors.ts';
import type { Network } from '../../transcoder/importer/address-guard.ts';
import { httpFile } from '../../transcoder/importer/http-file.ts';
import { Interrupted } from '../../transcoder/importer/interrupted.ts';
import { makeCertificate } from '../support/certificate.ts';

export const PUBLIC_ADDRESS = '93.184.215.14';
export const FILE_TEXT = 'the file';

export type World = AsyncDisposable & {
  network: Network;
  canaryPort: number;
  /** Connections that reached the canary. */
  canaryHits(): number;
  /** Addresses that were dialled, in order. */
  dialled: string[];
  /** Names that were looked up, in order. */
  lookups: string[];
  /** Answers of a name, one lookup after the other; the last one stays. */
  name(hostname: string, ...answers: string[][]): void;
  /** `/file` is the file, `/to?{status}&{url}` a redirect; this comes first. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
};

/** @param names of the one public server, wildcards included */
export async function startWorld(names: string[]): Promise<World> {
  const { key, cert } = makeCertificate(names);
  const server = createHttpsServer({ key, cert }, (request, response) => {
    if (!world.answer?.(request, response)) serve(request, response);
  });
  let hits = 0;
  const canary = createServer((socket) => {
    hits += 1;
    socket.destroy();
  });
  const [serverPort, canaryPort] = [await listen(server), await listen(canary)];
  const answersOf = new Map<string, string[][]>();

  const world: World = {
    canaryPort,
    canaryHits: () => hits,
    dialled: [],
    lookups: [],
    name: (hostname, ...answers) => void answersOf.set(hostname, answers),
    answer: undefined,
    network: {
      async resolve(hostname) {
        world.lookups.push(hostname);
        const answers = answersOf.get(hostname) ?? [];
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (!answer) throw new Error(`ENOTFOUND ${hostname}`);
        return answer;
      },
      dial(address) {
        world.dialled.push(address);
        // Only the one public address is a way out; all others lead to where nobody may go.
        const port = address === PUBLIC_ADDRESS ? serverPort : canaryPort;
        return connect({ host: '127.0.0.1', port });
      },
      ca: cert,
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      canary.close();
    },
  };
  return world;
}

export function redirectTo(url: string, status = 302): string {
  return `/to?${status}&${encodeURIComponent(url)}`;
}

/** How the fetching of a URL ends: the text of the file, or the code of the refusal. */
export async function fetchEnding(url: string, network: Network, ports = [443]): Promise<string> {
  try {
    const open = httpFile(url, { ports, allowLoopback: false }, network, 20_000);
    const file = await open({ offset: 0 }, AbortSignal.timeout(20_000));
    let text = '';
    for await (const bytes of file.body) text += Buffer.from(bytes).toString();
    return text;
  } catch (error) {
    const verdict = error instanceof Interrupted ? error.verdict : error;
    return verdict instanceof AppError ? verdict.code : String(error);
  }
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const [path, query = ''] = (request.url ?? '').split('?');
  if (path === '/to') {
    const [status, target = ''] = query.split('&');
    response.writeHead(Number(status), { location: decodeURIComponent(target) }).end('moved');
  } else {
    response.writeHead(200, { 'content-length': FILE_TEXT.length, etag: '"one"' }).end(FILE_TEXT);
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
