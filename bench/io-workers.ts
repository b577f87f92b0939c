// Ways a Worker can hand on an object of R2, each behind workerd's own socket: as it comes, copied whole, and copied
// piece by piece.
import { readFile } from 'node:fs/promises';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { listDescendants } from './processes.ts';

/** `/stream/KEY`, `/buffer/KEY`, `/pieces/BYTES/KEY`. */
const SCRIPT = `export default {
  async fetch(request, env, context) {
    const [, way, ...rest] = new URL(request.url).pathname.split('/');
    const pieceBytes = way === 'pieces' ? Number(rest.shift()) : 0;
    const object = await env.MEDIA.get(rest.join('/'));
    if (!object) return new Response(null, { status: 404 });
    const headers = { 'Content-Length': String(object.size) };
    if (way === 'stream') return new Response(object.body, { headers });
    if (way === 'buffer') return new Response(await object.arrayBuffer(), { headers });
    const { readable, writable } = new FixedLengthStream(object.size);
    context.waitUntil(copyInPieces(object.body, writable, pieceBytes));
    return new Response(readable, { headers });
  },
};
async function copyInPieces(body, writable, pieceBytes) {
  const reader = body.getReader({ mode: 'byob' });
  const writer = writable.getWriter();
  let buffer = new ArrayBuffer(pieceBytes);
  for (;;) {
    const { value, done } = await reader.readAtLeast(pieceBytes, new Uint8Array(buffer));
    if (value?.byteLength) await writer.write(value);
    if (done) break;
    buffer = value.buffer;
  }
  await writer.close();
}`;

export type IoWorkers = {
  origin: string;
  put(key: string, bytes: Uint8Array): Promise<void>;
  stop(): Promise<void>;
};

const SAMPLE_MS = 10;
const PAGE_BYTES = 4096;
/** USER_HZ, which Linux reports in /proc on every architecture Node runs on. */
const TICK_MS = 10;

export async function startIoWorkers(): Promise<IoWorkers> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      log: new Log(LogLevel.ERROR),
      handleStructuredLogs: () => {},
      cf: false,
      workers: [
        {
          name: 'io',
          modules: true,
          script: SCRIPT,
          compatibilityDate: '2026-08-01',
          r2Buckets: { MEDIA: 'media' },
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        },
      ],
    }),
  );
  await miniflare.ready;
  const bucket = await miniflare.getR2Bucket('MEDIA', 'io');
  return {
    origin: (await miniflare.unsafeGetDirectURL('io')).origin,
    put: async (key, bytes) => {
      await bucket.put(key, bytes);
    },
    stop: () => miniflare.dispose(),
  };
}

/** What every workerd of this process, the simulated R2 within it, takes for the work: CPU, and memory on top. */
export async function costOfWorkerd<T>(
  work: () => Promise<T>,
): Promise<{ result: T; addedBytes: number; cpuMs: number }> {
  const pids = await workerdPids();
  const cpuBefore = await cpuMsOf(pids);
  const base = await residentBytes(pids);
  let peak = base;
  const sampling = setInterval(async () => {
    peak = Math.max(peak, await residentBytes(pids));
  }, SAMPLE_MS);
  try {
    const result = await work();
    const cpuMs = (await cpuMsOf(pids)) - cpuBefore;
    return { result, addedBytes: Math.max(peak, await residentBytes(pids)) - base, cpuMs };
  } finally {
    clearInterval(sampling);
  }
}

async function workerdPids(): Promise<number[]> {
  return (await listDescendants(process.pid)).filter(({ name }) => name === 'workerd').map(({ pid }) => pid);
}

async function residentBytes(pids: number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const statm = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '0 0');
      return Number(statm.split(' ')[1]) * PAGE_BYTES;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** User and system time so far. It hardly depends on what else the machine does, as time on the clock would. */
async function cpuMsOf(pids: number[]): Promise<number> {
  const ticks = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
      // proc(5): the command in parentheses may hold spaces.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11]) + Number(fields[12]);
    }),
  );
  return ticks.reduce((sum, count) => sum + count, 0) * TICK_MS;
}
