// Ports on loopback: whether one is free, and two neighbours that are.
import { createServer } from 'node:net';
import { PlainFailure } from './setup/screen.mjs';

/** @throws PlainFailure naming the first port that is taken */
export async function requireFreePorts(ports: number[]): Promise<void> {
  for (const port of ports) {
    if (!(await isFree(port)))
      throw new PlainFailure(`port ${port} is taken; set REELAY_PORT to another one`);
  }
}

/** A port that is free together with the one after it, which is the queue's. */
export async function findFreePortPair(): Promise<number> {
  for (;;) {
    // Below the range the system hands out to connections, so that no client socket sits on it.
    const port = 20_000 + 2 * Math.floor(Math.random() * 6000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
