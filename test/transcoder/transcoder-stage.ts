// A whole transcoder but for its pipeline, against a queue and a ledger that stand in for the real ones.
import { afterEach, beforeEach, expect } from 'vitest';
import type { Log, LogFields } from '../../shared/log.ts';
import { type Consumer, startConsumer } from '../../transcoder/consumer.ts';
import { createLedgerClient } from '../../transcoder/ledger-client.ts';
import type { TaskOutcome } from '../../transcoder/pipeline.ts';
import { createQueueClient } from '../../transcoder/queue-client.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { createSourceCaches } from '../../transcoder/source-caches.ts';
import { performTask } from '../../transcoder/task.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';
import { QUEUE, SECRET, startWire, type Wire } from './wire-stand-in.ts';

export const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
export const DONE: TaskOutcome = { kind: 'done', mark: 1 };

export type TranscoderStage = {
  wire: Wire;
  scratch: Scratch;
  drain: AbortController;
  events: [string, LogFields][];
  start(
    runTask: (context: TaskContext) => Promise<TaskOutcome>,
    options?: { slots?: number; idleClaimMs?: number; drainSeconds?: number },
  ): { consumer: Consumer; r2: MemoryR2 };
};

/** One stage whose parts are new for each test of the file. */
export function stageTranscoder(): TranscoderStage {
  const stage = {} as TranscoderStage;
  let stop: () => Promise<void>;

  beforeEach(async () => {
    stage.wire = await startWire();
    stage.scratch = await createScratch('transcoder-test');
    stage.drain = new AbortController();
    stage.events = [];
    stop = async () => undefined;
  });
  afterEach(async () => {
    await stop();
    await stage.wire[Symbol.asyncDispose]();
    await stage.scratch[Symbol.asyncDispose]();
  });

  const recordingLog = (): Log => {
    const write = (event: string, fields: LogFields = {}) => void stage.events.push([event, fields]);
    return { info: write, warn: write, error: write, with: recordingLog };
  };

  stage.start = (runTask, options = {}) => {
    const { wire, drain, scratch } = stage;
    const log = recordingLog();
    const ledger = createLedgerClient({ url: wire.url, secret: SECRET, retryDelaysMs: [1, 1] });
    const r2 = memoryR2({ 'sources/video1/upload1': new Uint8Array(10) });
    const { slots = 1, idleClaimMs = 60_000, drainSeconds = 0 } = options;
    const tools = {
      ledger,
      openStorage: () => r2,
      capacity: { slots, threads: 1, limits: LIMITS },
      scratchRoot: scratch.directory,
      sourceCaches: createSourceCaches({ directory: scratch.directory, cacheBytes: 2 ** 20, idleMs: 0 }),
      drainSeconds,
      log,
      runTask,
    };
    const consumer = startConsumer(
      {
        ledger,
        queue: createQueueClient({ api: wire.url, ...QUEUE }),
        identity: { workerId: 'worker1', profile: 'profile1' },
        slots,
        pollMinMs: 10,
        pollMaxMs: 40,
        idleClaimMs,
        log,
        perform: (claim) => performTask(claim, tools, drain.signal),
      },
      drain.signal,
    );
    stop = () => {
      drain.abort();
      return consumer.finished;
    };
    return { consumer, r2 };
  };
  return stage;
}

export function until(condition: () => unknown): ReturnType<typeof expect.poll> {
  return expect.poll(condition, { timeout: 30_000, interval: 10 });
}

/** Settles when the task is told to stop. */
export function untilStopped({ signal }: TaskContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
