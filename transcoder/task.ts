// One claimed task from its lease to its report. What it makes is the pipeline's business.
import type { Log } from '../shared/log.ts';
import { errorFields } from '../shared/log.ts';
import type { Claim, StorageAccess, TaskFailure } from '../shared/messages.ts';
import type { TaskKind } from '../shared/states.ts';
import { parseTraceparent } from '../shared/trace-context.ts';
import type { Capacity } from './capacity.ts';
import { FfmpegError } from './ffmpeg/ffmpeg-error.ts';
import { keepLease, type Lease } from './lease.ts';
import type { LedgerClient, TaskLedger } from './ledger-client.ts';
import type { MemoryPool } from './memory-pool.ts';
import { meter } from './metrics.ts';
import type { TaskOutcome } from './pipeline.ts';
import type { R2 } from './r2.ts';
import { createScratch } from './scratch.ts';
import { openSource, type Source } from './source.ts';
import type { SourceCaches } from './source-caches.ts';
import type { TaskContext } from './task-context.ts';
import { describeFailure } from './task-failure.ts';

export type TaskTools = {
  ledger: LedgerClient;
  openStorage(access: StorageAccess): R2;
  capacity: Capacity;
  memory?: MemoryPool;
  scratchRoot: string;
  sourceCaches: SourceCaches;
  log: Log;
  /** What a task may still take once the transcoder drains. */
  drainSeconds: number;
  runTask(context: TaskContext): Promise<TaskOutcome>;
};

const PROGRESS_INTERVAL_MS = 1000;
/** What a stopped task may take to end by itself: one that waits for storage would not hear of it in time. */
const STOP_GRACE_MS = 1000;

/**
 * Never rejects: how the task ended is told to the ledger and the log. When `drain` is aborted the task goes on to the
 * end of the segment in the making, or for `drainSeconds` at most, and is then given back.
 */
export async function performTask(claim: Claim, tools: TaskTools, drain: AbortSignal): Promise<void> {
  const { task } = claim;
  const { traceparent } = claim.job;
  const traceId = parseTraceparent(traceparent)?.traceId;
  const ids = { jobId: task.jobId, task: task.name, epoch: task.epoch };
  const log = tools.log.with({ ...ids, ...(traceId !== undefined && { traceId }) });
  const ledger = tools.ledger.task(claim.jobToken, traceparent);
  const lease = keepLease(ledger, claim, log);
  const startedAtMs = performance.now();
  const stop = new AbortController();
  const stopSoon = () => void setTimeout(() => stop.abort(), tools.drainSeconds * 1000).unref();
  drain.addEventListener('abort', stopSoon, { once: true });
  if (drain.aborted) stop.abort();
  log.info('task.started', { mark: task.mark });
  let source: Source | undefined;
  try {
    await using scratch = await createScratch(task.name, tools.scratchRoot);
    const r2 = tools.openStorage(claim.storage);
    await using opened = await openSource(r2, claim.job.source, scratch, {
      caches: tools.sourceCaches,
    });
    source = opened;
    const signal = AbortSignal.any([lease.signal, stop.signal]);
    signal.throwIfAborted();
    const work = tools.runTask({
      claim,
      r2,
      source: opened,
      scratch,
      signal,
      threads: tools.capacity.threads,
      limits: tools.capacity.limits,
      ...(tools.memory && { memory: tools.memory }),
      log,
      async commit(mark, part) {
        await judged(lease, ledger.commit(mark, part));
        if (drain.aborted) stop.abort();
      },
      beginImport: (file) => judged(lease, ledger.beginImport(file)),
      contentKey: onceEach((number) => judged(lease, ledger.contentKey(number))),
      progress: progressReporter(ledger, task.kind, log),
    });
    const outcome = await endOf(work, signal);
    signal.throwIfAborted();
    await judged(lease, report(ledger, outcome));
    const seconds = (performance.now() - startedAtMs) / 1000;
    meter.observe('reelay_transcoder_task_seconds', { kind: task.kind }, seconds);
    meter.count('reelay_transcoder_tasks_total', { kind: task.kind, outcome: 'done' });
    log.info('task.done', { seconds: Math.round(seconds * 1000) / 1000 });
  } catch (error) {
    const end = { ledger, lease, stop: stop.signal, log, sourceFailure: source?.failure };
    const outcome = await giveUp(error, end);
    meter.count('reelay_transcoder_tasks_total', { kind: task.kind, outcome });
  } finally {
    drain.removeEventListener('abort', stopSoon);
    lease.stop();
  }
}

/**
 * What the work ends with; the signal's reason where it does not end within {@link STOP_GRACE_MS} of that. Its lease is
 * over then, so that nothing it may still store counts.
 */
async function endOf<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const tooLate = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const onStop = () => {
    timer = setTimeout(() => tooLate.reject(signal.reason), STOP_GRACE_MS);
  };
  if (signal.aborted) onStop();
  else signal.addEventListener('abort', onStop, { once: true });
  try {
    return await Promise.race([work, tooLate.promise]);
  } finally {
    signal.removeEventListener('abort', onStop);
    clearTimeout(timer);
  }
}

function report(ledger: TaskLedger, outcome: TaskOutcome): Promise<void> {
  switch (outcome.kind) {
    case 'imported':
      return ledger.reportImport(outcome.sizeBytes);
    case 'planned':
      return ledger.reportPlan(outcome.summary);
    case 'done':
      return ledger.reportDone(outcome.mark);
    case 'published':
      return ledger.publish(outcome.presentation, outcome.receipt);
  }
}

async function giveUp(
  error: unknown,
  task: { ledger: TaskLedger; lease: Lease; stop: AbortSignal; log: Log; sourceFailure: unknown },
): Promise<'lost' | 'released' | TaskFailure['kind']> {
  const { ledger, lease, stop, log } = task;
  // The lease lapses by itself and the sweeper hands the task on.
  const untold = (telling: unknown) => log.error('task.report_failed', errorFields(telling));
  if (lease.signal.aborted) {
    log.info('task.dropped');
    return 'lost';
  }
  if (stop.aborted) {
    await ledger.release().then(() => log.info('task.released'), untold);
    return 'released';
  }
  const failure = describeFailure(error, task.sourceFailure);
  log.error('task.failed', { ...failure, ...errorFields(error), ...ffmpegFields(error) });
  await ledger.fail(failure).catch(untold);
  return failure.kind;
}

/** Hands the error on, after the lease has heard it. */
async function judged<T>(lease: Lease, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw lease.judge(error);
  }
}

/** Asks for each number once, and again only where that failed. */
function onceEach<T>(ask: (number: number) => Promise<T>): (number: number) => Promise<T> {
  const asked = new Map<number, Promise<T>>();
  return (number) => {
    const known = asked.get(number);
    if (known) return known;
    const answer = ask(number);
    asked.set(number, answer);
    answer.catch(() => asked.delete(number));
    return answer;
  };
}

/** Sends the newest number at most once a second; losing one costs nothing. */
function progressReporter(ledger: TaskLedger, kind: TaskKind, log: Log): (done: number) => void {
  let sentAtMs = Number.NEGATIVE_INFINITY;
  let hasComplained = false;
  return (done) => {
    if (performance.now() - sentAtMs < PROGRESS_INTERVAL_MS) return;
    sentAtMs = performance.now();
    ledger
      .progress(kind === 'import' ? { bytesDone: done } : { framesDone: done })
      .catch((error: unknown) => {
        if (!hasComplained) log.warn('progress.failed', errorFields(error));
        hasComplained = true;
      });
  };
}

function ffmpegFields(error: unknown): object {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof FfmpegError) {
      return { argv: at.argv, exitCode: at.exitCode, signal: at.signal, stderrTail: at.stderrTail };
    }
  }
  return {};
}
