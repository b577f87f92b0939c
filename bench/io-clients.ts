// Clients that each ask for one object after the other over a connection of their own, and how long they waited.
import { Agent, get } from 'node:http';

export type ClientLoad = {
  megabytesPerSecond: number;
  requestsPerSecond: number;
  /** To the first byte of the body, and to its last; of all requests. */
  firstByteMs: { median: number; p95: number };
  wholeMs: { median: number; p95: number };
};

type Timing = { firstByteMs: number; wholeMs: number; bytes: number };

/** @throws Error where an answer is not 200: a fast refusal is not speed */
export async function clientsOn(origin: string, paths: string[], clients: number): Promise<ClientLoad> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const timings: Timing[] = [];
  const startedAtMs = performance.now();
  let next = 0;
  const walk = async () => {
    while (next < paths.length) timings.push(await timeOne(new URL(paths[next++]!, origin), agent));
  };
  await Promise.all(Array.from({ length: clients }, walk));
  const seconds = (performance.now() - startedAtMs) / 1000;
  agent.destroy();
  const bytes = timings.reduce((sum, timing) => sum + timing.bytes, 0);
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    requestsPerSecond: timings.length / seconds,
    firstByteMs: spreadOf(timings.map(({ firstByteMs }) => firstByteMs)),
    wholeMs: spreadOf(timings.map(({ wholeMs }) => wholeMs)),
  };
}

function timeOne(url: URL, agent: Agent): Promise<Timing> {
  return new Promise((resolve, reject) => {
    const startedAtMs = performance.now();
    const sinceMs = () => performance.now() - startedAtMs;
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`${url.pathname}: ${response.statusCode}`));
        return;
      }
      let firstByteMs = 0;
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        firstByteMs ||= sinceMs();
        bytes += piece.length;
      });
      response.on('end', () => resolve({ firstByteMs, wholeMs: sinceMs(), bytes }));
      response.on('error', reject);
    }).on('error', reject);
  });
}

function spreadOf(values: number[]): { median: number; p95: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { median: at(0.5), p95: at(0.95) };
}
