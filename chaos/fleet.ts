// Clients that upload through the command line's own code while the Worker dies under them, and that are
// themselves cut off and started again now and then.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiClient } from '../transcoder/cli/api-client.ts';
import { mayPass, type RetryPolicy } from '../transcoder/cli/retry.ts';
import { UploadInterrupted, uploadFile } from '../transcoder/cli/upload-file.ts';
import { journalOf } from '../transcoder/cli/upload-journal.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { CountedFetch } from './counted-fetch.ts';
import { type Chance, chanceOf, writeNoiseFile } from './seeded.ts';
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
  /** Requests repeated inside a run. */
  retries: number;
};

/** Shorter than a restart of the Worker, so that both kinds of going on happen. */
const IMPATIENT: RetryPolicy = { attempts: 4, patienceMs: 4000, firstDelayMs: 100, maxDelayMs: 1000 };
/** An odd size, so that tus's chunks never coincide with parts. */
const TUS_CHUNK_BYTES = 3 * 1024 * 1024 + 17;
const MOST_RUNS = 40;

export type FleetOptions = { stack: ChaosStack; traffic: CountedFetch; sizeBytes: number; clients: number };

export async function runFleet(assignments: Assignment[], options: FleetOptions): Promise<Fleet> {
  const fleet: Fleet = { finished: [], leftIds: [], restarts: 0, retries: 0 };
  const queue = [...assignments];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await uploadOne(next, options, fleet);
  };
  await Promise.all(Array.from({ length: options.clients }, lane));
  return fleet;
}

async function uploadOne(assignment: Assignment, options: FleetOptions, fleet: Fleet): Promise<void> {
  const { index, method, fate, seed } = assignment;
  const { stack, traffic, sizeBytes } = options;
  const label = `${seed}-${index}-${method}`;
  const path = join(stack.folder, `${label}.mp4`);
  const chance = chanceOf(seed + index * 7919);
  const sha256 = await writeNoiseFile(path, label, sizeBytes);
  const journal = journalOf(stack.folder, stack.url, path, { method });
  const memory: { location?: URL } = {};
  // One after the other, those left half-way leave a part that the server had acknowledged.
  const parallelParts = fate === 'completed' ? 2 : 1;
  try {
    for (let run = 1; ; run += 1) {
      if (run > 1) fleet.restarts += 1;
      if (run > MOST_RUNS) throw new Error(`${label} is not done after ${MOST_RUNS} runs`);
      const cutting = new AbortController();
      const retry = {
        policy: IMPATIENT,
        signal: cutting.signal,
        onWait: () => {
          fleet.retries += 1;
        },
      };
      const cutAtBytes = cutFor(fate, run, chance, sizeBytes);
      const client = createApiClient(stack.url, stack.token, {
        fetch: traffic.fetch,
        signal: cutting.signal,
      });
      const onBytes = (sentBytes: number) => {
        if (sentBytes >= cutAtBytes) cutting.abort(new ClientCut());
      };
      try {
        let uploadId: string;
        if (method === 'tus') {
          const server = { url: stack.url, token: stack.token, fetch: traffic.fetch };
          const filename = `${label}.mp4`;
          const upload = { path, filename, sizeBytes, chunkBytes: TUS_CHUNK_BYTES, memory, onBytes };
          uploadId = await uploadByTus(server, upload, retry);
        } else {
          const request = { path, method, video: { title: label }, journal, parallelParts };
          const result = await uploadFile(client, request, {
            ...{ signal: cutting.signal, retryPolicy: IMPATIENT, onWait: retry.onWait, onBytes },
          });
          uploadId = result.uploadId;
        }
        fleet.finished.push({ label, method, uploadId, sha256 });
        return;
      } catch (error) {
        const cause = error instanceof UploadInterrupted ? error.cause : error;
        if (!(cause instanceof ClientCut)) {
          if (mayPass(cause)) continue;
          throw new Error(`${label} failed in run ${run}`, { cause: error });
        }
        if (fate === 'completed') continue;
        const uploadId = memory.location?.pathname.split('/').at(-1) ?? (await journal.read())?.uploadId;
        if (!uploadId) continue;
        fleet.leftIds.push(uploadId);
        if (fate === 'aborted') await abortOnce(uploadId, options);
        return;
      }
    }
  } finally {
    await rm(path, { force: true });
  }
}

class ClientCut extends Error {}

/** After how many bytes this run's client is cut off. */
function cutFor(fate: Fate, run: number, chance: Chance, sizeBytes: number): number {
  if (fate !== 'completed') return Math.floor(sizeBytes * 0.75);
  // Half of all clients lose their first run, a quarter their second.
  return run <= 2 && chance.next() < 0.5 / run ? chance.between(0, sizeBytes) : Number.POSITIVE_INFINITY;
}

/** Said once and never again, whatever becomes of it: what is left is the server's to clean. */
async function abortOnce(uploadId: string, { stack, traffic }: FleetOptions): Promise<void> {
  const client = createApiClient(stack.url, stack.token, { fetch: traffic.fetch });
  await client.abortUpload(uploadId).catch((error: unknown) => {
    if (!mayPass(error)) throw error;
  });
}
