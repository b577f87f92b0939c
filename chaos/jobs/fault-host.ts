// One host on loopback between the processes of a run: transcoders reach the queue, the Worker and R2 through it,
// clients the Worker. Requests are refused, answers are lost after the work was done, come late, or break off.
import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, FaultRules } from './fault-rules.ts';
import type { History } from './history.ts';
import type { TicketFaults } from './ticket-faults.ts';

export type FaultHost = AsyncDisposable & {
  url: string;
  /** Where faults are over: what came in before may still be on its way. */
  end(): void;
};

export type FaultHostOptions = {
  /** Asked with each request: the stack is started after its proxy. */
  workerUrl: () => string;
  tickets: TicketFaults;
  rules: FaultRules;
  history: History;
};

const R2 = '/cdn-cgi/local/r2/s3';
const SLOWEST_MS = 2500;

export async function startFaultHost(options: FaultHostOptions): Promise<FaultHost> {
  const { rules, history, tickets } = options;
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing, options).catch((error: unknown) => {
      history.note('proxy.failed', { path: incoming.url?.split('?')[0], error: String(error) });
      outgoing.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    end: () => {
      rules.end();
      tickets.end();
      history.note('faults.ended');
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: FaultHostOptions,
): Promise<void> {
  const { rules, history, tickets, workerUrl } = options;
  const { method = '', url: path = '', headers } = incoming;
  const authorization = headers.authorization ?? '';
  if (path.startsWith('/accounts/')) {
    const answer = await tickets.answer(path, authorization, String(await bodyOf(incoming)));
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return;
  }
  const route = path.startsWith(R2) ? 'r2' : path.startsWith('/internal/') ? 'worker' : 'client';
  const target = route === 'worker' ? `${path} ${holderOf(authorization)}` : path;
  const fault = rules.faultOf(route, method, target);
  if (fault) history.note(`fault.${route}.${fault}`, { method, path: path.split('?')[0] });
  const body = await bodyOf(incoming);
  if (fault === 'refused') {
    outgoing.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '1' }).end('not now');
    return;
  }
  if (fault === 'slow') await sleep(rules.chance(`slowness of ${method} ${target}`) * SLOWEST_MS);
  // R2's signatures cover their headers; for the others nothing is to be packed that is read here.
  if (route !== 'r2') delete headers['accept-encoding'];
  const answer = await forward(workerUrl(), incoming, body);
  if (path === '/internal/claim' && answer.status === 200) learnNames(rules, answer.body);
  if (path === '/internal/publish') note(history, authorization, answer.status);
  finish(answer, outgoing, incoming, fault);
}

type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer };

function finish(
  { status, headers, body }: Answer,
  outgoing: ServerResponse,
  incoming: IncomingMessage,
  fault: Fault | undefined,
): void {
  if (fault === 'reply-lost') {
    incoming.socket.destroy();
    return;
  }
  outgoing.writeHead(status, headers);
  if (fault === 'truncated' && body.length > 1) {
    outgoing.write(body.subarray(0, body.length >> 1), () => incoming.socket.destroy());
    return;
  }
  outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

/** With the client's own Host, which its signature covers, over a connection of its own: no kept one may break. */
function forward(base: string, incoming: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const init = { method: incoming.method, headers: incoming.headers, agent: false } as const;
    const upstream = sendRequest(new URL(incoming.url ?? '/', base), init, (answer) => {
      bodyOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    upstream.once('error', reject);
    upstream.end(body);
  });
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A claim says whose video its job works on: `hls/movies/{content id}/{job}/`. */
function learnNames(rules: FaultRules, body: Buffer): void {
  const { task, job } = JSON.parse(String(body));
  const contentId = String(job.outputPrefix).split('/')[2] ?? '*';
  rules.learn(task.jobId, contentId);
  rules.learn(job.videoId, contentId);
}

/** Job, task and epoch, which a job token carries in the clear; nothing for the transcoders' own secret. */
function holderOf(authorization: string): string {
  const payload = authorization.split('.')[2];
  if (payload === undefined) return '';
  const { job, task, epoch } = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return `${job} ${task} ${epoch}`;
}

function note(history: History, authorization: string, status: number): void {
  const [jobId, , epoch] = holderOf(authorization).split(' ');
  history.note('publish', { jobId, epoch: Number(epoch), status });
}
