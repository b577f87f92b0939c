import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import type { Log, LogFields } from '../../shared/log.ts';
import { startConsumer } from '../../transcoder/consumer.ts';
import { startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { startHealthServer } from '../../transcoder/health.ts';
import { createLedgerClient } from '../../transcoder/ledger-client.ts';
import type { TaskOutcome } from '../../transcoder/pipeline.ts';
import { createQueueClient } from '../../transcoder/queue-client.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { performTask } from '../../transcoder/task.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { memoryR2 } from './memory-r2.ts';
import { claimOf, problem, QUEUE, SECRET, startWire, ticketMessage, type Wire } from './wire-stand-in.ts';

const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
const DONE: TaskOutcome = { kind: 'done', mark: 1 };

let wire: Wire;
let scratch: Scratch;
let drain: AbortController;
let stop: () => Promise<void>;
let events: [string, LogFields][];

beforeEach(async () => {
  wire = await startWire();
  scratch = await createScratch('consumer-test');
  drain = new AbortController();
  events = [];
  stop = async () => undefined;
});
afterEach(async () => {
  await stop();
  await wire[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

function recordingLog(): Log {
  const write = (event: string, fields: LogFields = {}) => void events.push([event, fields]);
  return { info: write, warn: write, error: write, with: recordingLog };
}

/** A whole transcoder but for its pipeline. */
function start(
  runTask: (context: TaskContext) => Promise<TaskOutcome>,
  options: { slots?: number; idleClaimMs?: number } = {},
) {
  const log = recordingLog();
  const ledger = createLedgerClient({ url: wire.url, secret: SECRET, retryDelaysMs: [1, 1] });
  const r2 = memoryR2({ 'sources/video1/upload1': new Uint8Array(10) });
  const { slots = 1 } = options;
  const tools = {
    ledger,
    openStorage: () => r2,
    capacity: { slots, threads: 1, limits: LIMITS },
    scratchRoot: scratch.directory,
    sourceCacheBytes: 2 ** 20,
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
      idleClaimMs: options.idleClaimMs ?? 60_000,
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
}

const until = (condition: () => unknown) => expect.poll(condition, { timeout: 10_000, interval: 10 });

/** Settles when the task is told to stop. */
function untilStopped({ signal }: TaskContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

describe('the loop', () => {
  test('greets first, then claims without waiting for a ticket, until there is nothing', async () => {
    wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'));
    start(async () => DONE);
    await until(() => wire.to('/internal/done').length).toBe(2);
    await until(() => wire.to('/messages/pull').length).toBeGreaterThan(1);
    expect(wire.calls[0]?.path).toBe('/internal/hello');
    expect(wire.to('/internal/claim').length).toBeGreaterThanOrEqual(3);
    expect(wire.to('/internal/claim')[0]?.body).toEqual({ workerId: 'worker1', profile: 'profile1' });
  });

  test('acks a ticket at once, then claims', async () => {
    start(async () => DONE);
    await until(() => wire.to('/messages/pull').length).toBeGreaterThan(0);
    wire.claims.push(claimOf('plan'));
    wire.messages.push(ticketMessage('a'));
    await until(() => wire.to('/internal/done').length).toBe(1);
    const order = wire.calls.map(({ path }) => path);
    const ackAt = order.findIndex((path) => path.endsWith('/messages/ack'));
    expect(wire.calls[ackAt]?.body.acks).toEqual([{ lease_id: 'lease-a' }]);
    expect(order.indexOf('/internal/claim', ackAt)).toBe(ackAt + 1);
  });

  test('acks a message that is no ticket, so that it does not come back for ever', async () => {
    wire.messages.push(ticketMessage('bad', 'nonsense'));
    start(async () => DONE);
    await until(() => wire.to('/messages/ack').length).toBe(1);
    expect(events.map(([event]) => event)).toContain('ticket.unreadable');
  });

  test('claims now and then without a ticket, should one have been lost', async () => {
    start(async () => DONE, { idleClaimMs: 30 });
    await until(() => wire.to('/internal/claim').length).toBeGreaterThan(1);
    wire.claims.push(claimOf('chunk:0'));
    await until(() => wire.to('/internal/done').length).toBe(1);
    expect(wire.to('/messages/ack')).toEqual([]);
  });

  test('runs as many tasks at a time as it has slots, and asks for no tickets while they are full', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    wire.claims.push(...['chunk:0', 'chunk:1', 'chunk:2'].map((name) => claimOf(name)));
    const { consumer } = start(
      async ({ claim }) => {
        const gate = Promise.withResolvers<void>();
        gates.set(claim.task.name, gate);
        await gate.promise;
        return DONE;
      },
      { slots: 2 },
    );
    await until(() => gates.size).toBe(2);
    expect(consumer.running()).toEqual(['job1/chunk:0', 'job1/chunk:1']);
    await delay(100);
    expect(gates.size).toBe(2);
    expect(wire.to('/messages/pull')).toEqual([]);
    gates.get('chunk:0')?.resolve();
    await until(() => gates.size).toBe(3);
    for (const gate of gates.values()) gate.resolve();
    await until(() => wire.to('/internal/done').length).toBe(3);
  });

  test('waits out a ledger and a queue that are down', async () => {
    let isDown = true;
    wire.override = () => (isDown ? problem(503, 'database_unavailable') : undefined);
    wire.claims.push(claimOf('chunk:0'));
    start(async () => DONE);
    await until(() => wire.to('/internal/hello').length).toBeGreaterThan(3);
    isDown = false;
    await until(() => wire.to('/internal/done').length).toBe(1);
  });
});

describe('a task', () => {
  test('has a directory, the source and the numbers of this machine, and leaves nothing behind', async () => {
    wire.claims.push(claimOf('chunk:7'));
    let seen: TaskContext | undefined;
    start(async (context) => {
      seen = context;
      expect(await readdir(scratch.directory)).toHaveLength(1);
      expect(await context.source.read(0, 10)).toHaveLength(10);
      return DONE;
    });
    await until(() => wire.to('/internal/done').length).toBe(1);
    expect(seen).toMatchObject({ threads: 1, limits: LIMITS, claim: { task: { name: 'chunk:7' } } });
    expect(await readdir(scratch.directory)).toEqual([]);
  });

  test.each([
    [
      'plan',
      { kind: 'planned', summary: { totalFrames: 1 } },
      '/internal/plan',
      { summary: { totalFrames: 1 } },
    ],
    ['audio:0', { kind: 'done', mark: 5 }, '/internal/done', { mark: 5 }],
    [
      'finish',
      { kind: 'published', presentation: { a: 1 } },
      '/internal/publish',
      { presentation: { a: 1 } },
    ],
  ])('of kind %s reports what it made', async (name, outcome, path, body) => {
    wire.claims.push(claimOf(name));
    start(async () => outcome as TaskOutcome);
    await until(() => wire.to(path).length).toBe(1);
    expect(wire.to(path)[0]).toMatchObject({ body, token: `token-of-${name}` });
  });

  test('commits as it goes and tells its progress at most once a second', async () => {
    wire.claims.push(claimOf('chunk:0'));
    start(async ({ commit, progress }) => {
      await commit(1);
      await commit(2);
      for (let frame = 0; frame < 50; frame++) progress(frame);
      return DONE;
    });
    await until(() => wire.to('/internal/done').length).toBe(1);
    expect(wire.to('/internal/commit').map(({ body }) => body.mark)).toEqual([1, 2]);
    await until(() => wire.to('/internal/progress').length).toBe(1);
  });

  test('keeps its lease by heartbeats for as long as it runs, and not longer', async () => {
    wire.claims.push(claimOf('chunk:0'));
    start(async () => {
      await until(() => wire.to('/internal/heartbeat').length).toBeGreaterThan(3);
      return DONE;
    });
    await until(() => wire.to('/internal/done').length).toBe(1);
    const beats = wire.to('/internal/heartbeat').length;
    await delay(200);
    expect(wire.to('/internal/heartbeat').length).toBeLessThanOrEqual(beats + 1);
  });
});

describe('a lost lease', () => {
  test('kills ffmpeg and drops the task without a word', async () => {
    wire.claims.push(claimOf('chunk:0'));
    const killed = Promise.withResolvers<unknown>();
    start(async ({ signal, scratch: own }) => {
      const run = startFfmpeg(
        {
          inputs: [{ options: ['-nostdin', '-re', '-f', 'lavfi'], url: 'testsrc2=size=64x64:duration=600' }],
          outputs: [{ options: ['-f', 'null'], path: '/dev/null' }],
        },
        {
          directory: own.directory,
          limits: LIMITS,
          signal,
          onProgress: () => {
            wire.override = ({ path }) =>
              path.endsWith('heartbeat') ? problem(409, 'lease_lost') : undefined;
          },
        },
      );
      await run.done.catch((error: unknown) => {
        killed.resolve(error);
        throw error;
      });
      return DONE;
    });
    expect(await killed.promise).toMatchObject({ name: 'FfmpegError', isAborted: true });
    await until(() => events.map(([event]) => event)).toContain('task.dropped');
    for (const path of ['done', 'fail', 'release']) expect(wire.to(`/internal/${path}`)).toEqual([]);
  });

  test.each(['lease_lost', 'job_finished', 'token_expired'])(
    'is noticed when a commit answers %s',
    async (code) => {
      wire.claims.push(claimOf('chunk:0', { heartbeatSeconds: 60 }));
      wire.override = ({ path }) => (path.endsWith('commit') ? problem(409, code) : undefined);
      const reasons: unknown[] = [];
      start(async (context) => {
        await context.commit(1).catch(() => reasons.push(context.signal.reason));
        return untilStopped(context);
      });
      await until(() => events.map(([event]) => event)).toContain('task.dropped');
      expect(reasons).toMatchObject([{ code: 'lease_lost' }]);
      expect(wire.to('/internal/fail')).toEqual([]);
    },
  );

  test('is assumed when no heartbeat has come through for as long as a lease lasts', async () => {
    wire.claims.push(claimOf('chunk:0', { leaseSeconds: 0.3 }));
    wire.override = ({ path }) =>
      path.endsWith('heartbeat') ? problem(503, 'database_unavailable') : undefined;
    start(untilStopped);
    await until(() => events.map(([event]) => event)).toContain('task.dropped');
    expect(wire.to('/internal/heartbeat').length).toBeGreaterThan(2);
  });

  test('is not assumed for a heartbeat or two that fail', async () => {
    wire.claims.push(claimOf('chunk:0'));
    wire.override = ({ path }) =>
      path.endsWith('heartbeat') && wire.to('/internal/heartbeat').length < 3 ? 'drop' : undefined;
    start(async () => {
      await until(() => wire.to('/internal/heartbeat').length).toBeGreaterThan(4);
      return DONE;
    });
    await until(() => wire.to('/internal/done').length).toBe(1);
  });
});

describe('a failure', () => {
  async function reported(error: unknown): Promise<Record<string, unknown> | undefined> {
    wire.claims.push(claimOf('chunk:0'));
    start(async () => {
      throw error;
    });
    await until(() => wire.to('/internal/fail').length).toBe(1);
    return wire.to('/internal/fail')[0]?.body;
  }

  test('of the file is told as one', async () => {
    const detail = 'The file is a text.';
    expect(await reported(new AppError('media_not_video', { detail }))).toEqual({
      code: 'media_not_video',
      detail,
      kind: 'media',
    });
  });

  test('of another kind may be tried again, under its own code', async () => {
    expect(await reported(new AppError('verification_failed'))).toMatchObject({
      code: 'verification_failed',
      kind: 'retryable',
    });
  });

  test('that nobody foresaw says nothing of its message', async () => {
    const failure = await reported(new Error('password=hunter2'));
    expect(failure).toMatchObject({ code: 'internal', kind: 'retryable' });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
    const [, fields] = events.find(([event]) => event === 'task.failed')!;
    expect(fields.error).toContain('hunter2');
  });

  test('to read the source outranks what ffmpeg made of it', async () => {
    wire.claims.push(claimOf('plan'));
    const { r2 } = start(async ({ source }) => {
      r2.failWhen = () => new AppError('storage_unavailable');
      await source.read(0, 1).catch(() => undefined);
      throw new AppError('media_malformed');
    });
    await until(() => wire.to('/internal/fail').length).toBe(1);
    expect(wire.to('/internal/fail')[0]?.body).toMatchObject({
      code: 'storage_unavailable',
      kind: 'retryable',
    });
  });

  test('to report is survived', async () => {
    wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'));
    wire.override = ({ path, token }) =>
      path.endsWith('done') && token === 'token-of-chunk:0' ? problem(422, 'plan_invalid') : undefined;
    start(async () => DONE);
    await until(() => wire.to('/internal/done').some(({ token }) => token === 'token-of-chunk:1')).toBe(true);
    expect(wire.to('/internal/fail')[0]).toMatchObject({
      token: 'token-of-chunk:0',
      body: { code: 'plan_invalid' },
    });
  });
});

describe('draining', () => {
  test('stops every task, gives its lease back and claims no more', async () => {
    wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'), claimOf('chunk:2'));
    const { consumer } = start(untilStopped, { slots: 2 });
    await until(() => consumer.running().length).toBe(2);
    drain.abort();
    await consumer.finished;
    expect(
      wire
        .to('/internal/release')
        .map(({ token }) => token)
        .sort(),
    ).toEqual(['token-of-chunk:0', 'token-of-chunk:1']);
    expect(wire.to('/internal/fail')).toEqual([]);
    expect(wire.claims).toHaveLength(1);
    expect(consumer.running()).toEqual([]);
    expect(await readdir(scratch.directory)).toEqual([]);
  });

  test('gives back a task whose claim was answered too late', async () => {
    wire.claims.push(claimOf('chunk:0'));
    wire.override = ({ path }) => {
      if (path === '/internal/claim') drain.abort();
      return undefined;
    };
    const { consumer } = start(async () => DONE);
    await consumer.finished;
    expect(wire.to('/internal/release')).toHaveLength(1);
    expect(wire.to('/internal/done')).toEqual([]);
  });

  test('shows in the health of the process', async () => {
    const state = { workerId: 'worker1', slots: 2, running: ['job1/chunk:0'], isDraining: false };
    await using server = await startHealthServer({ host: '127.0.0.1', port: 0 }, () => state);
    const url = `http://127.0.0.1:${server.port}/healthz`;
    const well = await fetch(url);
    expect([well.status, await well.json()]).toEqual([200, state]);
    state.isDraining = true;
    expect((await fetch(url)).status).toBe(503);
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });
});
