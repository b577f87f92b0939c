// What our segment path costs beside a bare Worker that returns the same R2 objects, on workerd's own socket and
// Miniflare's R2, in one run; and nginx on the same files. Ratios count, not figures: R2 here is a simulator.
import { rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KIB, MIB } from '../shared/limits.ts';
import { parseSigningKeys, verifyPlayToken } from '../shared/sign.ts';
import { makeFolder } from '../test/support/media.ts';
import { TEST_BINDINGS } from '../test/support/test-bindings.ts';
import { median } from './cpu-time.ts';
import { benchToken, type DirectWorkers, startDirectWorkers } from './direct-worker.ts';
import { type Load, loadFrom } from './http-load.ts';
import { startNginx } from './nginx.ts';
import { listDescendants, peakResidentBytes } from './processes.ts';

const PREFIX = 'hls/videos/bench/generation/';
const CONNECTIONS = 8;
const ROUNDS = 5;
/** Filling the cache goes on behind the answers; what is measured next is not to wait for it. */
const SETTLE_MS = 2000;
const SIZES = [
  { sizeBytes: 16 * KIB, objects: 400 },
  { sizeBytes: MIB, objects: 40 },
];
/** What is promised. */
const LEAST_COLD = 0.9;
const LEAST_WARM = 2.5;
const MOST_TOKEN_CPU_MS = 0.15;
const MOST_GROWTH = 1.1;

const FLAT_REQUESTS = 50_000;
const FLAT_STEPS = 5;
/** 32 MiB of them: more than the Worker holds in memory, so that it also lets go. */
const FLAT_OBJECTS = 2048;

export async function benchDelivery(): Promise<void> {
  const folder = await makeFolder('bench-delivery');
  console.log(`load before: ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores`);
  const workers = await startDirectWorkers(join(folder, 'bundle'));
  try {
    const token = await benchToken(PREFIX);
    for (const size of SIZES) await compare(workers, token, size);
    await besideNginx(folder, workers, token);
    await timeToken(token);
    await watchMemory(workers, token);
  } finally {
    await workers.stop();
    await rm(folder, { recursive: true });
  }
  console.log(`load after: ${loadavg()[0]!.toFixed(1)}`);
}

type Round = { bare: number; cold: number; filling: number; warm: number };

/** A B A B …: each round asks for objects nobody has asked for, then for the same once more. */
async function compare(
  workers: DirectWorkers,
  token: string,
  { sizeBytes, objects }: (typeof SIZES)[number],
): Promise<void> {
  const rounds: Round[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const keys = await putObjects(workers, `${sizeBytes}${round}`, sizeBytes, objects);
    const direct = keys.map((key) => `/${key}`);
    const guarded = keys.map((key) => `/p/${token}/${key}`);
    const bare = await speedOf(workers.bare, direct);
    const cold = await speedOf(workers.uncached, guarded);
    const filling = await speedOf(workers.ours, guarded);
    await sleep(SETTLE_MS);
    const speeds = { bare, cold, filling, warm: await speedOf(workers.ours, guarded) };
    if (round > 0) rounds.push(speeds); // the first warms up
  }
  const of = (what: (round: Round) => number) => median(rounds.map(what));
  console.log(`${sizeBytes / KIB} KiB, requests/s, medians of ${ROUNDS} alternating rounds of ${objects}:`);
  console.log(
    `  bare Worker ${of((r) => r.bare).toFixed(0)}; ours cold ${of((r) => r.cold).toFixed(0)}, cold and filling the simulated Cache API ${of((r) => r.filling).toFixed(0)}, warm ${of((r) => r.warm).toFixed(0)}`,
  );
  const isSmall = sizeBytes === SIZES[0]!.sizeBytes;
  verdict(
    'cold / bare',
    of((r) => r.cold / r.bare),
    isSmall ? LEAST_COLD : undefined,
  );
  verdict(
    'cold and filling / bare',
    of((r) => r.filling / r.bare),
  );
  verdict(
    'warm / cold',
    of((r) => r.warm / r.cold),
    isSmall ? LEAST_WARM : undefined,
  );
}

async function putObjects(
  workers: DirectWorkers,
  mark: string,
  sizeBytes: number,
  count: number,
): Promise<string[]> {
  const keys = Array.from(
    { length: count },
    (_, index) => `${PREFIX}audio_${mark}_${String(index).padStart(5, '0')}.m4s`,
  );
  for (const [index, key] of keys.entries()) await workers.put(key, new Uint8Array(sizeBytes).fill(index));
  return keys;
}

async function speedOf(origin: string, paths: string[]): Promise<number> {
  return (await allServed(origin, paths)).requestsPerSecond;
}

/** @throws Error where an answer was none of the object: a fast refusal is not speed */
async function allServed(origin: string, paths: string[]): Promise<Load> {
  const load = await loadFrom(origin, paths, CONNECTIONS);
  if (load.statuses.get(200) !== paths.length) {
    throw new Error(`${origin} answered ${JSON.stringify([...load.statuses])}`);
  }
  return load;
}

async function besideNginx(folder: string, workers: DirectWorkers, token: string): Promise<void> {
  const sizeBytes = 16 * KIB;
  const key = `${PREFIX}audio_nginx_000.m4s`;
  const bytes = new Uint8Array(sizeBytes).fill(7);
  await workers.put(key, bytes);
  await writeFile(join(folder, 'segment.m4s'), bytes);
  const nginx = await startNginx(folder);
  if (!nginx) {
    console.log('nginx: not installed, skipped');
    return;
  }
  try {
    const same = (path: string) => Array.from({ length: 2000 }, () => path);
    const theirs = await speedOf(nginx.origin, same('/segment.m4s'));
    const ours = await speedOf(workers.ours, same(`/p/${token}/${key}`));
    console.log(
      `one file of 16 KiB: nginx ${theirs.toFixed(0)} requests/s, ours warm ${ours.toFixed(0)} (x${(ours / theirs).toFixed(2)}), with a token to judge`,
    );
  } finally {
    await nginx.stop();
  }
}

async function timeToken(token: string): Promise<void> {
  const keys = parseSigningKeys(TEST_BINDINGS.SIGNING_KEYS);
  const times = 20_000;
  const nowSeconds = Math.floor(Date.now() / 1000);
  for (let turn = 0; turn < 2000; turn++) await verifyPlayToken(token, keys, nowSeconds);
  const before = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) await verifyPlayToken(token, keys, nowSeconds);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000 / times;
  console.log(
    `token verification, in Node: ${cpuMs.toFixed(4)} ms CPU (at most ${MOST_TOKEN_CPU_MS}) ${outcome(cpuMs <= MOST_TOKEN_CPU_MS)}`,
  );
}

async function watchMemory(workers: DirectWorkers, token: string): Promise<void> {
  const keys = await putObjects(workers, 'flat', 16 * KIB, FLAT_OBJECTS);
  const paths = Array.from(
    { length: FLAT_REQUESTS / FLAT_STEPS },
    (_, index) => `/p/${token}/${keys[index % keys.length]}`,
  );
  const peaks: number[] = [];
  for (let step = 0; step < FLAT_STEPS; step++) {
    await allServed(workers.ours, paths);
    peaks.push((await workerdPeakBytes()) / MIB);
  }
  const growth = peaks.at(-1)! / peaks[0]!;
  const steps = peaks.map((peak) => peak.toFixed(0)).join(', ');
  console.log(
    `peak resident memory of workerd, simulators and all, each ${FLAT_REQUESTS / FLAT_STEPS} of ${FLAT_REQUESTS} requests of 16 KiB: ${steps} MiB; last / first ${growth.toFixed(2)} (at most ${MOST_GROWTH}) ${outcome(growth <= MOST_GROWTH)}`,
  );
}

async function workerdPeakBytes(): Promise<number> {
  const processes = (await listDescendants(process.pid)).filter(({ name }) => name === 'workerd');
  return Math.max(...(await Promise.all(processes.map(({ pid }) => peakResidentBytes(pid)))));
}

function verdict(what: string, ratio: number, least?: number): void {
  const judged = least === undefined ? '' : ` (at least ${least}) ${outcome(ratio >= least)}`;
  console.log(`  ${what}: ${ratio.toFixed(2)}${judged}`);
}

function outcome(isKept: boolean): string {
  if (!isKept) process.exitCode = 1;
  return isKept ? 'kept' : 'MISSED';
}
