// The entry of the container image: the transcoder (configuration, identity, the loop, a clean end), or with the
// argument `ingest` the host that takes in large forms.
import { join } from 'node:path';
import { createLog, errorFields } from '../shared/log.ts';
import type { StorageAccess } from '../shared/messages.ts';
import { sizeCapacity, thisMachine } from './capacity.ts';
import { startConsumer } from './consumer.ts';
import { parseEnv, type TranscoderEnv } from './env.ts';
import { encoderProfile } from './ffmpeg/build.ts';
import { checkEncoder } from './ffmpeg/encoder-check.ts';
import { setFfmpeg } from './ffmpeg/run.ts';
import { startHealthServer } from './health.ts';
import { type IngestEnv, parseIngestEnv } from './ingest/env.ts';
import { startIngest } from './ingest/server.ts';
import { createLedgerClient } from './ledger-client.ts';
import { createMemoryPool } from './memory-pool.ts';
import { runTask } from './pipeline.ts';
import { createQueueClient } from './queue-client.ts';
import { createR2, type R2 } from './r2.ts';
import { createRecommendClient } from './recommend/recommend-client.ts';
import { performTraining } from './recommend/train.ts';
import { emptyScratchRoot } from './scratch.ts';
import { createSourceCaches } from './source-caches.ts';
import { performTask } from './task.ts';

/** Beyond what the tasks may take: time to give the leases back. One that is left over lapses by itself. */
const RELEASE_SECONDS = 4;

async function main(env: TranscoderEnv): Promise<void> {
  const log = createLog({ service: 'transcoder', workerId: env.WORKER_ID });
  setFfmpeg(env.FFMPEG_PATH);
  const capacity = sizeCapacity(thisMachine(), {
    ...(env.SLOTS !== undefined && { slots: env.SLOTS }),
    ...(env.MEMORY_GB !== undefined && { memoryGb: env.MEMORY_GB }),
  });
  const memory = createMemoryPool(capacity);
  const scratchRoot = join(env.SCRATCH_DIR, env.WORKER_ID.replaceAll(/[^A-Za-z0-9_-]/g, '_'));
  await emptyScratchRoot(scratchRoot);
  const { encoders, fingerprint } = await checkEncoder(env.ENCODER, scratchRoot, capacity.limits);
  const { profile, version } = await encoderProfile(capacity.threads, fingerprint);
  const sourceCaches = createSourceCaches({
    directory: scratchRoot,
    cacheBytes: env.SOURCE_CACHE_BYTES,
    maxCaches: capacity.slots,
  });

  const drain = drainOnSignal(env.DRAIN_SECONDS + RELEASE_SECONDS, () => log.info('transcoder.draining'));
  const ledger = createLedgerClient({ url: env.REELAY_URL, secret: env.TRANSCODER_SECRET });
  const training = createRecommendClient({ url: env.REELAY_URL, secret: env.TRANSCODER_SECRET });
  const openStorage = storageOpener();
  const consumer = startConsumer(
    {
      ledger,
      queue: createQueueClient({
        api: env.QUEUES_API,
        accountId: env.QUEUE_ACCOUNT_ID,
        queueId: env.QUEUE_ID,
        token: env.QUEUE_TOKEN,
      }),
      identity: { workerId: env.WORKER_ID, profile, encoders },
      slots: capacity.slots,
      pollMinMs: env.POLL_MIN_MS,
      pollMaxMs: env.POLL_MAX_MS,
      idleClaimMs: env.IDLE_CLAIM_MS,
      log,
      perform: (claim) =>
        performTask(
          claim,
          {
            ledger,
            openStorage,
            capacity,
            memory,
            scratchRoot,
            sourceCaches,
            drainSeconds: env.DRAIN_SECONDS,
            log,
            runTask: (context) => runTask(context, { allowLoopback: env.IMPORT_ALLOW_LOOPBACK === 'on' }),
          },
          drain,
        ),
      async claimSpare(signal) {
        const claim = await training.claim(env.WORKER_ID, signal);
        if (!claim) return undefined;
        const tools = { calls: training, openStorage, threads: capacity.threads, log };
        return { name: `recommend/${claim.runId}`, perform: () => performTraining(claim, tools, drain) };
      },
    },
    drain,
  );
  log.info('transcoder.started', {
    ffmpeg: version,
    profile,
    encoders,
    slots: capacity.slots,
    threads: capacity.threads,
  });

  if (env.HEALTH_PORT > 0) {
    await startHealthServer({ host: env.HEALTH_HOST, port: env.HEALTH_PORT }, () => ({
      workerId: env.WORKER_ID,
      slots: capacity.slots,
      running: consumer.running(),
      isDraining: drain.aborted,
      memoryBytes: capacity.limits.memoryBytes * capacity.slots,
    }));
  }
  await consumer.finished;
  await emptyScratchRoot(scratchRoot);
  log.info('transcoder.stopped');
  process.exit(0);
}

/** As PID 1 of a container a process gets no default handlers, so it must end itself. */
function drainOnSignal(longestSeconds: number, onDrain: () => void): AbortSignal {
  const drain = new AbortController();
  const begin = () => {
    if (drain.signal.aborted) return;
    onDrain();
    drain.abort();
    setTimeout(() => process.exit(0), longestSeconds * 1000).unref();
  };
  process.on('SIGTERM', begin);
  process.on('SIGINT', begin);
  return drain.signal;
}

/** Claims of one deployment carry the same access, and a client with its open connections is worth keeping. */
function storageOpener(): (access: StorageAccess) => R2 {
  let held: { fingerprint: string; r2: R2 } | undefined;
  return (access) => {
    const fingerprint = JSON.stringify(access);
    if (held?.fingerprint !== fingerprint) held = { fingerprint, r2: createR2(access) };
    return held.r2;
  };
}

/** Forms under way may end, for as long as whoever runs the container waits. */
async function ingest(env: IngestEnv): Promise<void> {
  const log = createLog({ service: 'ingest' });
  const server = await startIngest(env, log);
  const stop = async () => {
    log.info('ingest.draining');
    await server[Symbol.asyncDispose]();
    log.info('ingest.stopped');
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

const [mode] = process.argv.slice(2);
try {
  if (mode === 'ingest') await ingest(parseIngestEnv(process.env));
  else if (mode === undefined) await main(parseEnv(process.env));
  else throw new Error(`there is no mode ${mode}; the modes are ingest and none`);
} catch (error) {
  createLog({ service: mode ?? 'transcoder' }).error('transcoder.crashed', errorFields(error));
  process.exit(1);
}
