// How far the ledger itself scales: 1, 2 and 4 transcoders whose encoder only sleeps, against the real Worker,
// queue and D1. What is measured is the work done per second against one transcoder's.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homeAt } from '../local/home.ts';
import { findFreePortPair } from '../local/ports.ts';
import { type Stack, startStack } from '../local/stack.ts';
import { GIB } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import type { Presentation } from '../shared/messages.ts';
import { apiAt, jobEnd, uploadFile } from '../test/support/api.ts';
import { makeClip, makeFolder } from '../test/support/media.ts';
import { mintToken } from '../transcoder/cli/local-stack.ts';
import { startConsumer } from '../transcoder/consumer.ts';
import { createLedgerClient } from '../transcoder/ledger-client.ts';
import type { TaskOutcome } from '../transcoder/pipeline.ts';
import { createQueueClient } from '../transcoder/queue-client.ts';
import { createR2 } from '../transcoder/r2.ts';
import { createSourceCaches } from '../transcoder/source-caches.ts';
import { performTask, type TaskTools } from '../transcoder/task.ts';
import type { TaskContext } from '../transcoder/task-context.ts';

const JOBS = 6;
const CHUNKS = 8;
const SEGMENTS = 2;
/** A segment of every rung, at about real time on a fast machine; the rest of the time is the ledger's. */
const SEGMENT_MS = 500;
const FRAMES = 150;
const FLEETS = [1, 2, 4];
/** The promise: N transcoders do at least this share of N times the work. */
const LEAST_SHARE = 0.9;

export async function benchScale(): Promise<void> {
  const folder = await makeFolder('bench-scale');
  const stack = await startStack({
    home: homeAt(join(folder, 'home')),
    port: await findFreePortPair(),
    transcoders: 0,
    isReset: false,
    cronSeconds: 1,
    variables: { RATE_LIMITS: 'off' },
  });
  try {
    const clip = await makeClip(join(folder, 'clip.mp4'), { seconds: 1 });
    const workSeconds = (JOBS * CHUNKS * SEGMENTS * SEGMENT_MS) / 1000;
    console.log(
      `${JOBS} jobs of ${CHUNKS} chunks of ${SEGMENTS} segments of ${SEGMENT_MS} ms: ${workSeconds} s of sleeping encoder`,
    );
    console.log('transcoders   seconds   speed-up   share of N');
    let aloneSeconds = 0;
    for (const count of FLEETS) {
      const seconds = await timeFleet(stack, clip, folder, count);
      if (count === 1) aloneSeconds = seconds;
      const speedUp = aloneSeconds / seconds;
      const cells = [String(count), seconds.toFixed(1), speedUp.toFixed(2), (speedUp / count).toFixed(2)];
      console.log(cells.map((cell) => cell.padStart(11)).join(''));
      if (speedUp / count < LEAST_SHARE) process.exitCode = 1;
    }
    console.log(`promised: a share of at least ${LEAST_SHARE}`);
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Seconds from the last upload's completion until every job has succeeded. */
async function timeFleet(stack: Stack, clip: string, folder: string, count: number): Promise<number> {
  // Each job has an owner of its own, so that fairness between owners has something to do.
  const jobs = await Promise.all(
    Array.from({ length: JOBS }, async (_, index) => {
      const api = apiAt(stack.url, await mintToken(stack.secrets, 'uploader', `owner-${count}-${index}`));
      const { jobId } = await uploadFile(api, clip, 'single');
      return { api, jobId: String(jobId) };
    }),
  );
  const drain = new AbortController();
  const startedAtMs = performance.now();
  const fleet = Array.from({ length: count }, (_, index) =>
    startSleeper(stack, folder, `sleeper-${count}-${index}`, drain.signal),
  );
  const ends = await Promise.all(jobs.map(({ api, jobId }) => jobEnd(api, jobId, 10 * 60_000)));
  const seconds = (performance.now() - startedAtMs) / 1000;
  drain.abort();
  await Promise.all(fleet.map(({ finished }) => finished));
  const failed = ends.find(({ state }) => state !== 'succeeded');
  if (failed) throw new Error(`a job ended ${failed.state}: ${JSON.stringify(failed.error)}`);
  return seconds;
}

/** The real loop, lease, ledger and queue clients; only the tasks' work is a sleep. */
function startSleeper(stack: Stack, folder: string, workerId: string, drain: AbortSignal) {
  const ledger = createLedgerClient({ url: stack.url, secret: stack.secrets.transcoderSecret });
  const tools: TaskTools = {
    ledger,
    openStorage: createR2,
    capacity: { slots: 1, threads: 1, limits: { wallSeconds: 60, memoryBytes: GIB } },
    scratchRoot: folder,
    sourceCaches: createSourceCaches({ directory: folder, cacheBytes: GIB }),
    drainSeconds: 0,
    log: QUIET,
    runTask: sleepThrough,
  };
  return startConsumer(
    {
      ledger,
      queue: createQueueClient({
        api: stack.url.replace(/\d+$/, (port) => String(Number(port) + 1)),
        accountId: 'local',
        queueId: 'reelay-tickets',
        token: stack.secrets.queueToken,
      }),
      identity: { workerId, profile: 'sleeping-encoder' },
      slots: 1,
      pollMinMs: 250,
      pollMaxMs: 1000,
      idleClaimMs: 15_000,
      log: QUIET,
      perform: (claim) => performTask(claim, tools, drain),
    },
    drain,
  );
}

/** A table is to be read; what goes wrong is still said. */
const QUIET: Log = {
  info: () => {},
  warn: () => {},
  error: (event, fields) => console.error(event, fields),
  with: () => QUIET,
};

async function sleepThrough(context: TaskContext): Promise<TaskOutcome> {
  switch (context.claim.task.kind) {
    case 'plan':
      return { kind: 'planned', summary: SUMMARY };
    case 'chunk':
      for (let mark = context.claim.task.mark + 1; mark <= SEGMENTS; mark++) {
        await sleep(SEGMENT_MS, undefined, { signal: context.signal });
        await context.commit(mark);
      }
      return { kind: 'done', mark: SEGMENTS };
    case 'finish':
      return { kind: 'published', presentation: PRESENTATION };
    default:
      throw new Error(`no ${context.claim.task.kind} was planned`);
  }
}

const SUMMARY = {
  totalFrames: CHUNKS * SEGMENTS * FRAMES,
  segmentCount: CHUNKS * SEGMENTS,
  segmentFrames: FRAMES,
  chunks: Array.from({ length: CHUNKS }, () => ({ segmentCount: SEGMENTS, frames: SEGMENTS * FRAMES })),
  audioTracks: 0,
  durationSeconds: (CHUNKS * SEGMENTS * FRAMES) / 25,
  width: 320,
  height: 180,
  frameRate: 25,
};

const PRESENTATION: Presentation = {
  durationSeconds: SUMMARY.durationSeconds,
  width: 320,
  height: 180,
  frameRate: 25,
  sizeBytes: 1,
  renditions: [
    { name: '180p', width: 320, height: 180, bandwidthBps: 1, averageBandwidthBps: 1, codecs: 'avc1.64000d' },
  ],
  audio: [],
  hasPoster: false,
};
