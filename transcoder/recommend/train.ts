// One claimed training run from its lease to its report: have the history exported, read it, train, store the model.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AppError, isErrorCode } from '../../shared/errors.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import type { StorageAccess } from '../../shared/messages.ts';
import { MODEL_SUMMARY, recommendExportKey } from '../../shared/object-keys.ts';
import type { RecommendClaim } from '../../shared/recommend-api.ts';
import { keepLease, type Lease } from '../lease.ts';
import type { R2 } from '../r2.ts';
import type { BuildOptions, Model } from './build-model.ts';
import type { RecommendClient, TrainingCalls } from './recommend-client.ts';
import type { TrainerAnswer, TrainerMessage } from './trainer-thread.ts';

export type TrainingTools = {
  calls: Pick<RecommendClient, 'run'>;
  openStorage(access: StorageAccess): R2;
  /** Threads that train at a time. */
  threads: number;
  /** Above so many videos the model has no factors. */
  maxFactorItems?: number;
  log: Log;
};

/** Never rejects. A run that is stopped by `drain` is given back and begins anew elsewhere, its export kept. */
export async function performTraining(
  claim: RecommendClaim,
  tools: TrainingTools,
  drain: AbortSignal,
): Promise<void> {
  const log = tools.log.with({ runId: claim.runId, epoch: claim.epoch });
  const calls = tools.calls.run(claim.jobToken);
  const lease = keepLease(calls, claim, log);
  const signal = AbortSignal.any([lease.signal, drain]);
  log.info('recommend.started');
  try {
    const r2 = tools.openStorage(claim.storage);
    const model = await train(claim, calls, r2, tools, signal);
    signal.throwIfAborted();
    await store(model, claim.modelPrefix, r2, signal);
    await calls.done(model.summary);
    log.info('recommend.trained', model.summary);
  } catch (error) {
    lease.judge(error);
    await giveUp(error, { calls, lease, drain, log });
  } finally {
    lease.stop();
  }
}

async function train(
  claim: RecommendClaim,
  calls: TrainingCalls,
  r2: R2,
  { threads, maxFactorItems }: TrainingTools,
  signal: AbortSignal,
): Promise<Model> {
  let written = await calls.exportPart();
  while (!written.isDone) {
    signal.throwIfAborted();
    written = await calls.exportPart();
  }
  await using trainer = startTrainer(
    { threads, ...(maxFactorItems !== undefined && { maxFactorItems }) },
    signal,
  );
  // By their numbers: an export that was begun anew may have left longer tails behind.
  for (let part = 0; part < written.parts; part++) {
    signal.throwIfAborted();
    await trainer.addPart(await r2.get(recommendExportKey(claim.runId, part)));
  }
  // Awaited here: the thread ends with this scope.
  return await trainer.finish();
}

type Trainer = AsyncDisposable & { addPart(bytes: Uint8Array): Promise<void>; finish(): Promise<Model> };

/** The thread that computes; it ends with the scope, or when `signal` is aborted. */
export function startTrainer(options: BuildOptions, signal: AbortSignal): Trainer {
  const thread = new Worker(new URL('./trainer-thread.ts', import.meta.url), { workerData: options });
  const ended = new AbortController();
  thread.once('exit', () => ended.abort(new Error('the trainer has ended')));
  const ask = async (message: TrainerMessage): Promise<TrainerAnswer> => {
    // Rejects when the thread fails or ends, and when the signal is aborted.
    const answered = once(thread, 'message', { signal: AbortSignal.any([signal, ended.signal]) });
    thread.postMessage(message);
    const [answer] = (await answered) as [TrainerAnswer];
    if (answer !== 'read' && 'failure' in answer) throw failureOf(answer.failure);
    return answer;
  };
  return {
    async addPart(bytes) {
      await ask({ part: bytes });
    },
    async finish() {
      const answer = await ask('finish');
      if (answer === 'read') throw new TypeError('the trainer has read where it was to finish');
      return (answer as { model: Model }).model;
    },
    async [Symbol.asyncDispose]() {
      await thread.terminate();
    },
  };
}

function failureOf({ code, detail }: { code?: string; detail: string }): Error {
  return code !== undefined && isErrorCode(code) ? new AppError(code, { detail }) : new Error(detail);
}

/** The summary goes last: where it is, the model is whole. */
async function store({ objects }: Model, prefix: string, r2: R2, signal: AbortSignal): Promise<void> {
  for (const { name, bytes } of objects.toSorted(
    (a, b) => Number(a.name === MODEL_SUMMARY) - Number(b.name === MODEL_SUMMARY),
  )) {
    signal.throwIfAborted();
    await r2.putOnce(
      prefix + name,
      bytes,
      name.endsWith('.json') ? 'application/json' : 'application/octet-stream',
    );
  }
}

async function giveUp(
  error: unknown,
  run: { calls: TrainingCalls; lease: Lease; drain: AbortSignal; log: Log },
): Promise<void> {
  const { calls, lease, drain, log } = run;
  if (lease.signal.aborted) return log.info('recommend.dropped');
  try {
    if (drain.aborted) {
      await calls.release();
      return log.info('recommend.released');
    }
    log.error('recommend.failed', errorFields(error));
    const isKnown = error instanceof AppError && error.code.startsWith('recommend_');
    await calls.fail({
      code: isKnown ? error.code : 'recommend_failed',
      detail: isKnown ? error.detail : 'The training ended before its time.',
      mayRetry: !isKnown,
    });
  } catch (telling) {
    // The lease lapses by itself, and the run is handed on.
    log.error('recommend.report_failed', errorFields(telling));
  }
}
