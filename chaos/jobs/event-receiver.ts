// Where the webhooks of a run go. It notes every id that it has answered with 200, and answers some with 500 first.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FaultRules } from './fault-rules.ts';
import type { History } from './history.ts';

export type EventReceiver = AsyncDisposable & { url: string };

const SHARE_FAILED = 0.1;

export async function startEventReceiver(rules: FaultRules, history: History): Promise<EventReceiver> {
  let events = 0;
  const failedOnce = new Set<string>();
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const id = String(request.headers['webhook-id']);
      events += 1;
      const isFailed = !failedOnce.has(id) && rules.chance(`event ${events}`) < SHARE_FAILED;
      if (isFailed) failedOnce.add(id);
      else history.note('event.received', { id });
      response.writeHead(isFailed ? 500 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
