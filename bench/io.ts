// How bytes are best handed on: as a stream or copied, in what pieces, with or without gzip, to how many at once.
// Writes its tables into docs/io.md and two plots beside it. Ratios count: R2 here is a simulator.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { KIB, MIB } from '../shared/limits.ts';
import { makeFolder } from '../test/support/media.ts';
import { median } from './cpu-time.ts';
import { benchToken, startDirectWorkers } from './direct-worker.ts';
import { type ClientLoad, clientsOn } from './io-clients.ts';
import { type GzipRow, measureGzip } from './io-gzip.ts';
import { svgOf } from './io-plot.ts';
import { costOfWorkerd, startIoWorkers } from './io-workers.ts';

const WHOLE_MIB = 32;
const AT_ONCE = 4;
const ROUNDS = 3;
const PIECES_KIB = [1, 4, 16, 64, 256, 1024];
const PIECES_OF_MIB = 8;
const CLIENTS = [1, 10, 20, 100];
const SEGMENT_BYTES = 512 * KIB;
const SEGMENTS = 60;
const REQUESTS = 150;
const PREFIX = 'hls/videos/io/generation/';

export async function benchIo(): Promise<void> {
  const folder = await makeFolder('bench-io');
  const load = loadavg()[0]!.toFixed(1);
  try {
    const ways = await compareWays();
    const pieces = await comparePieces();
    const gzip = await measureGzip(folder);
    const clients = await compareClients(folder);
    const tables = [waysTable(ways), piecesTable(pieces), gzipTable(gzip), clientsTable(clients)];
    const measured = `Measured ${new Date().toISOString().slice(0, 10)} on ${availableParallelism()} cores (load ${load} before), Node ${process.version}, workerd by Miniflare, R2 simulated on the same cores.`;
    const report = [measured, ...tables].join('\n\n');
    console.log(report);
    await intoPage('docs/io.md', report);
    await writeFile('docs/io-pieces.svg', piecesPlot(pieces));
    await writeFile('docs/io-clients.svg', clientsPlot(clients));
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Way = { name: string; load: ClientLoad; addedBytes: number; cpuMsPerMegabyte: number };

/** Each in a workerd of its own: what one leaves in memory is not the other's. */
async function compareWays(): Promise<Way[]> {
  const ways: Way[] = [];
  for (const [name, way] of [
    ['stream, as it comes', 'stream'],
    ['buffered, copied whole', 'buffer'],
  ] as const) {
    const workers = await startIoWorkers();
    try {
      await workers.put('whole', randomBytes(WHOLE_MIB * MIB));
      const path = `/${way}/whole`;
      await clientsOn(workers.origin, [path], 1);
      const paths = Array.from({ length: AT_ONCE * ROUNDS }, () => path);
      const { result, addedBytes, cpuMs } = await costOfWorkerd(() =>
        clientsOn(workers.origin, paths, AT_ONCE),
      );
      const megabytes = (paths.length * WHOLE_MIB * MIB) / 1e6;
      ways.push({ name, load: result, addedBytes, cpuMsPerMegabyte: cpuMs / megabytes });
    } finally {
      await workers.stop();
    }
  }
  return ways;
}

type Speed = { megabytesPerSecond: number; cpuMsPerMegabyte: number };
type Pieces = { whole: Speed; sizes: (Speed & { kib: number })[] };

/** In turn, round after round: what else the machine does meets all of them. */
async function comparePieces(): Promise<Pieces> {
  const workers = await startIoWorkers();
  try {
    await workers.put('object', randomBytes(PIECES_OF_MIB * MIB));
    const paths = ['/stream/object', ...PIECES_KIB.map((kib) => `/pieces/${kib * KIB}/object`)];
    const rounds = new Map(paths.map((path) => [path, [] as Speed[]]));
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [path, speeds] of rounds) {
        const { result, cpuMs } = await costOfWorkerd(() => clientsOn(workers.origin, [path, path, path], 1));
        const cpuMsPerMegabyte = cpuMs / ((3 * PIECES_OF_MIB * MIB) / 1e6);
        // The first round warms up.
        if (round > 0) speeds.push({ megabytesPerSecond: result.megabytesPerSecond, cpuMsPerMegabyte });
      }
    }
    const [whole, ...sizes] = paths.map((path) => medianSpeed(rounds.get(path) ?? []));
    return { whole: whole!, sizes: sizes.map((speed, index) => ({ ...speed, kib: PIECES_KIB[index]! })) };
  } finally {
    await workers.stop();
  }
}

function medianSpeed(speeds: Speed[]): Speed {
  return {
    megabytesPerSecond: median(speeds.map((speed) => speed.megabytesPerSecond)),
    cpuMsPerMegabyte: median(speeds.map((speed) => speed.cpuMsPerMegabyte)),
  };
}

type Clients = { name: string; loads: (ClientLoad & { cpuMsPerMegabyte: number })[] }[];

async function compareClients(folder: string): Promise<Clients> {
  const direct = await startDirectWorkers(join(folder, 'bundle'));
  const io = await startIoWorkers();
  try {
    const keys = Array.from(
      { length: SEGMENTS },
      (_, index) => `${PREFIX}audio_io_${String(index).padStart(5, '0')}.m4s`,
    );
    for (const key of keys) {
      const bytes = randomBytes(SEGMENT_BYTES);
      await direct.put(key, bytes);
      await io.put(key, bytes);
    }
    const token = await benchToken(PREFIX);
    const pathsOf = (before: string) =>
      Array.from({ length: REQUESTS }, (_, index) => `${before}${keys[index % keys.length]}`);
    const servers = [
      { name: 'the Worker, from R2', origin: direct.uncached, paths: pathsOf(`/p/${token}/`) },
      { name: 'the Worker, from its cache', origin: direct.ours, paths: pathsOf(`/p/${token}/`) },
      { name: 'bare stream', origin: io.origin, paths: pathsOf('/stream/') },
      { name: 'bare, buffered', origin: io.origin, paths: pathsOf('/buffer/') },
    ];
    const results: Clients = servers.map(({ name }) => ({ name, loads: [] }));
    // Warms up, and fills a cache.
    for (const { origin, paths } of servers) await clientsOn(origin, paths.slice(0, SEGMENTS), 4);
    for (const clients of CLIENTS)
      for (const [index, { origin, paths }] of servers.entries()) {
        const { result, cpuMs } = await costOfWorkerd(() => clientsOn(origin, paths, clients));
        const cpuMsPerMegabyte = cpuMs / ((paths.length * SEGMENT_BYTES) / 1e6);
        results[index]!.loads.push({ ...result, cpuMsPerMegabyte });
      }
    return results;
  } finally {
    await Promise.all([direct.stop(), io.stop()]);
  }
}

function waysTable(ways: Way[]): string {
  return table(
    [
      `${WHOLE_MIB} MiB to ${AT_ONCE} clients at once`,
      'MB/s',
      'first byte, median',
      'whole, median',
      'CPU per MB',
      'memory added',
    ],
    ways.map(({ name, load, addedBytes, cpuMsPerMegabyte }) => [
      name,
      load.megabytesPerSecond.toFixed(0),
      `${load.firstByteMs.median.toFixed(0)} ms`,
      `${load.wholeMs.median.toFixed(0)} ms`,
      `${cpuMsPerMegabyte.toFixed(1)} ms`,
      `${(addedBytes / MIB).toFixed(0)} MiB`,
    ]),
  );
}

function piecesTable({ whole, sizes }: Pieces): string {
  return table(
    ['copied by the Worker in pieces of', ...sizes.map(({ kib }) => pieceName(kib)), 'not touched'],
    [
      ['MB/s', ...[...sizes, whole].map((speed) => speed.megabytesPerSecond.toFixed(0))],
      ['CPU ms per MB', ...[...sizes, whole].map((speed) => speed.cpuMsPerMegabyte.toFixed(1))],
    ],
  );
}

function gzipTable(rows: GzipRow[]): string {
  return table(
    ['gzip -6 of', 'bytes', 'saved', 'CPU per MB'],
    rows.map(({ what, bytes, savedPercent, cpuMsPerMegabyte }) => [
      what,
      bytes.toLocaleString('en'),
      `${savedPercent.toFixed(1)} %`,
      `${cpuMsPerMegabyte.toFixed(1)} ms`,
    ]),
  );
}

function clientsTable(clients: Clients): string {
  return table(
    [
      `${SEGMENT_BYTES / KIB} KiB segments: CPU per MB, time of a segment (median, p95)`,
      ...CLIENTS.map((count) => `${count} at once`),
    ],
    clients.map(({ name, loads }) => [
      name,
      ...loads.map(
        ({ cpuMsPerMegabyte, wholeMs }) =>
          `${cpuMsPerMegabyte.toFixed(1)} ms (${wholeMs.median.toFixed(0)}, ${wholeMs.p95.toFixed(0)} ms)`,
      ),
    ]),
  );
}

function piecesPlot({ whole, sizes }: Pieces): string {
  return svgOf({
    title: 'Copying in pieces against handing the stream on',
    xLabel: 'size of a piece',
    yLabel: 'CPU ms per MB',
    steps: sizes.map(({ kib }) => pieceName(kib)),
    lines: [
      { name: 'copied in pieces', values: sizes.map(({ cpuMsPerMegabyte }) => cpuMsPerMegabyte) },
      { name: 'stream not touched', values: sizes.map(() => whole.cpuMsPerMegabyte), isDashed: true },
    ],
  });
}

function clientsPlot(clients: Clients): string {
  return svgOf({
    title: `CPU for segments of ${SEGMENT_BYTES / KIB} KiB to several clients at once`,
    xLabel: 'clients',
    yLabel: 'CPU ms per MB',
    steps: CLIENTS.map(String),
    lines: clients.map(({ name, loads }) => ({
      name,
      values: loads.map(({ cpuMsPerMegabyte }) => cpuMsPerMegabyte),
    })),
  });
}

function pieceName(kib: number): string {
  return kib >= 1024 ? `${kib / 1024} MiB` : `${kib} KiB`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Between its two marks; the words around them are written by hand. */
async function intoPage(path: string, report: string): Promise<void> {
  const [begin, end] = ['<!-- io -->', '<!-- /io -->'];
  const page = await readFile(path, 'utf8');
  const before = page.slice(0, page.indexOf(begin) + begin.length);
  await writeFile(path, `${before}\n${report}\n${page.slice(page.indexOf(end))}`);
}

function randomBytes(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  // crypto fills 64 KiB at a time.
  for (let at = 0; at < sizeBytes; at += 64 * KIB) crypto.getRandomValues(bytes.subarray(at, at + 64 * KIB));
  return bytes;
}
