// Clients that upload through the command line's own code while the Worker dies under them, and that are
// themselves cut off and started again now and then.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiClient } from '../transcoder/cli/api-client.ts';
import { mayPass, type RetryPolicy } from '../transcoder/cli/retry.ts';
import { UploadInterrupted, uploadFile } from '../transcoder/cli/upload-file.ts';
import { journalOf, type UploadJournal } from '../transcoder/cli/upload-journal.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { CountedFetch } from './counted-fetch.ts';
import { chanceOf, writeNoiseFile } from './seeded.ts';
import { uploadByTus } from './tus-client.ts';

export type Method = 'single' | 'multipart' | 'presigned' | 'tus';

/** How an upload is to end: whole, or given up half-way by a client that never returns or says so first. */
export type Fate = 'completed' | 'abandoned' | 'aborted';

export type Assignment = { index: number; method: Method; fate: Fate; seed: number };

export type Finished = { label: string; method: Method; uploadId: string; sha256: string };

export type Fleet = {
  finished: Finished[];
  /** Uploads left half-way. */
  leftIds: string[];
  /** Runs of a client after the first, because it was cut off or had lost its patience. */
  restarts: number;
  /** Of them, those that found parts held from before. */
  resumesWithBytes: number;
  /** Requests repeated inside a run. */
  retries: number;
};

/** Shorter than a restart of the Worker, so that both kinds of going on happen. */
const IMPATIENT: RetryPolicy = { attempts: 4, patienceMs: 4000, firstDelayMs: 100, maxDelayMs: 1000 };
/** An odd size, so that tus's chunks never coincide with parts. */
const TUS_CHUNK_BYTES = 3 * 1024 * 1024 + 17;
/** A run may last less than a second, and a restart of the Worker a minute. */
const MOST_RUNS = 400;

export type FleetOptions = { stack: ChaosStack; traffic: CountedFetch; sizeBytes: number; clients: number };

export async function runFleet(assignments: Assignment[], options: FleetOptions): Promise<Fleet> {
  const fleet: Fleet = { finished: [], leftIds: [], restarts: 0, resumesWithBytes: 0, retries: 0 };
  const queue = [...assignments];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await uploadOne(next, options, fleet);
  };
  await Promise.all(Array.from({ length: options.clients }, lane));
  return fleet;
}

/** One file and all that its client remembers from run to run. */
type Client = {
  label: string;
  method: Method;
  fate: Fate;
  path: string;
  sha256: string;
  journal: UploadJournal;
  memory: { location?: URL };
  isSerial: boolean;
  /** After how many bytes it is cut off; runs beyond these are left alone. */
  cutsAtBytes: number[];
};

async function uploadOne(assignment: Assignment, options: FleetOptions, fleet: Fleet): Promise<void> {
  const client = await prepare(assignment, options);
  try {
    for (let run = 1; !(await runClient(client, options, fleet)); run += 1) {
      if (run === MOST_RUNS) throw new Error(`${client.label} is not done after ${MOST_RUNS} runs`);
      fleet.restarts += 1;
    }
  } finally {
    await rm(client.path, { force: true });
  }
}

async function prepare(
  { index, method, fate, seed }: Assignment,
  { stack, sizeBytes }: FleetOptions,
): Promise<Client> {
  const label = `${seed}-${index}-${method}`;
  const path = join(stack.folder, `${label}.mp4`);
  const chance = chanceOf(seed + index * 7919);
  // One part after the other, a client that is cut off late leaves parts that the server has acknowledged; all at
  // once, it may be cut off anywhere. Every other round of the methods does it the one way.
  const isSerial = fate !== 'completed' || (index >> 2) % 2 === 0;
  const cutsAtBytes = isSerial
    ? [chance.between(sizeBytes * 0.7, sizeBytes * 0.95)]
    : [chance.between(0, sizeBytes), chance.between(0, sizeBytes)].slice(chance.between(0, 2));
  return {
    ...{ label, method, fate, path, isSerial, cutsAtBytes, memory: {} },
    sha256: await writeNoiseFile(path, label, sizeBytes),
    journal: journalOf(stack.folder, stack.url, path, { method }),
  };
}

/** @returns whether the file has met its fate */
async function runClient(client: Client, options: FleetOptions, fleet: Fleet): Promise<boolean> {
  const cutting = new AbortController();
  const cutAtBytes = client.cutsAtBytes[0] ?? Number.POSITIVE_INFINITY;
  let isFirstWord = true;
  const onBytes = (sentBytes: number, resumedBytes: number) => {
    if (isFirstWord && resumedBytes > 0) fleet.resumesWithBytes += 1;
    isFirstWord = false;
    if (sentBytes < cutAtBytes || cutting.signal.aborted) return;
    client.cutsAtBytes.shift();
    cutting.abort(new ClientCut());
  };
  const onWait = () => {
    fleet.retries += 1;
  };
  try {
    const uploadId = await send(client, options, { signal: cutting.signal, onBytes, onWait });
    const { label, method, sha256 } = client;
    fleet.finished.push({ label, method, uploadId, sha256 });
    return true;
  } catch (error) {
    const cause = error instanceof UploadInterrupted ? error.cause : error;
    if (!(cause instanceof ClientCut)) {
      if (mayPass(cause)) return false;
      throw new Error(`${client.label} failed`, { cause: error });
    }
    if (client.fate === 'completed') return false;
    const uploadId =
      client.memory.location?.pathname.split('/').at(-1) ?? (await client.journal.read())?.uploadId;
    if (!uploadId) throw new Error(`${client.label} was cut off before there was an upload`);
    fleet.leftIds.push(uploadId);
    if (client.fate === 'aborted') await abortOnce(uploadId, options);
    return true;
  }
}

type SendEvents = {
  signal: AbortSignal;
  onBytes: (sentBytes: number, resumedBytes: number) => void;
  onWait: () => void;
};

/** @returns the upload's id */
async function send(
  { label, method, path, journal, memory, isSerial }: Client,
  { stack, traffic, sizeBytes }: FleetOptions,
  { signal, onBytes, onWait }: SendEvents,
): Promise<string> {
  if (method === 'tus') {
    const server = { url: stack.url, token: stack.token, fetch: traffic.fetch };
    const filename = `${label}.mp4`;
    const upload = { path, filename, sizeBytes, chunkBytes: TUS_CHUNK_BYTES, memory, onBytes };
    return uploadByTus(server, upload, { policy: IMPATIENT, signal, onWait });
  }
  const client = createApiClient(stack.url, stack.token, { fetch: traffic.fetch, signal });
  const request = { path, method, video: { title: label }, journal, parallelParts: isSerial ? 1 : 2 };
  const events = { signal, retryPolicy: IMPATIENT, onWait, onBytes };
  return (await uploadFile(client, request, events)).uploadId;
}

class ClientCut extends Error {}

/** Said once and never again, whatever becomes of it: what is left is the server's to clean. */
async function abortOnce(uploadId: string, { stack, traffic }: FleetOptions): Promise<void> {
  const client = createApiClient(stack.url, stack.token, { fetch: traffic.fetch });
  await client.abortUpload(uploadId).catch((error: unknown) => {
    if (!mayPass(error)) throw error;
  });
}
