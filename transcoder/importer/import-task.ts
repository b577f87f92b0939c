// The task that fetches a video's source: opens the file, stores it part by part, and opens it again where it
// broke. What is durable is in the ledger, so another attempt goes on where this one ended.
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../shared/errors.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import type { ImportOrder, ImportTarget } from '../../shared/messages.ts';
import type { TaskContext } from '../task-context.ts';
import { INTERNET, type Network } from './address-guard.ts';
import { bucketFile } from './bucket-file.ts';
import { httpFile } from './http-file.ts';
import { Interrupted } from './interrupted.ts';
import type { OpenAt, OpenFile } from './open-file.ts';
import { createPartWriter, type PartWriter } from './part-writer.ts';

export type ImportSettings = {
  /** For tests of a stack on one machine. */
  allowLoopback: boolean;
  network?: Network;
  /** Waits before further connections; as many in a row without a new byte end the import. */
  retryDelaysMs?: readonly number[];
  idleTimeoutMs?: number;
};

const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 16_000];
const MAX_RETRY_AFTER_SECONDS = 60;
/** Times the file is begun again because it changed or its server cannot resume. */
const MAX_RESTARTS = 3;

/** @returns the size of what is stored. */
export async function importSource(context: TaskContext, settings: ImportSettings): Promise<number> {
  const order = context.claim.job.import;
  if (!order) throw new AppError('internal', { detail: 'The claim does not say what to import.' });
  const timeLimit = AbortSignal.timeout(Math.max(1, order.secondsLeft) * SECOND_MS);
  const signal = AbortSignal.any([context.signal, timeLimit]);
  const transfer = createTransfer(context, order);
  try {
    await untilComplete(transfer, fileOf(context, order, settings), settings, signal);
    return transfer.receivedBytes;
  } catch (error) {
    await transfer.settle();
    context.signal.throwIfAborted();
    if (timeLimit.aborted) throw new AppError('import_timed_out', { cause: error });
    throw error;
  }
}

function fileOf(context: TaskContext, order: ImportOrder, settings: ImportSettings): OpenAt {
  if (order.bucketKey !== undefined) return bucketFile(context.r2, order.bucketKey);
  const policy = { ports: order.ports, allowLoopback: settings.allowLoopback };
  return httpFile(order.url ?? '', policy, settings.network ?? INTERNET, settings.idleTimeoutMs);
}

async function untilComplete(
  transfer: Transfer,
  open: OpenAt,
  settings: ImportSettings,
  signal: AbortSignal,
): Promise<void> {
  const delaysMs = settings.retryDelaysMs ?? RETRY_DELAYS_MS;
  let failures = 0;
  for (;;) {
    const before = transfer.takenBytes();
    try {
      if (transfer.isComplete()) return await transfer.finish();
      const opened = await open(transfer.position(), signal);
      try {
        await transfer.take(opened);
      } finally {
        opened.close();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isPartsGone(error) && transfer.startOver()) continue;
      if (!(error instanceof Interrupted)) throw error;
      failures = transfer.takenBytes() > before ? 1 : failures + 1;
      const delayMs = delaysMs[failures - 1];
      if (delayMs === undefined) throw error.verdict;
      transfer.noteInterruption(error, failures);
      const wishMs = Math.min(error.retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS) * SECOND_MS;
      await delay(Math.max(wishMs, delayMs * (0.5 + Math.random() / 2)), undefined, { signal });
    }
  }
}

/** R2 drops multipart uploads that nobody completes for a week. */
function isPartsGone(error: unknown): boolean {
  return error instanceof AppError && error.code === 'upload_not_open';
}

type Transfer = ReturnType<typeof createTransfer>;

/** What has been received of which file, and where it goes. */
function createTransfer(context: TaskContext, order: ImportOrder) {
  const { claim, r2, log, signal } = context;
  let file: { validator: string | undefined; sizeBytes: number | undefined } | undefined;
  let writer: PartWriter | undefined;
  let hasEnded = false;
  let restarts = 0;
  let takenBytes = 0;

  const writerInto = (target: ImportTarget, partsStored: number): PartWriter =>
    createPartWriter({
      partSizeBytes: target.partSizeBytes,
      partsStored,
      async store(number, bytes) {
        const etag = await r2.uploadPart(claim.job.source.key, target.r2UploadId, number, bytes);
        // Nobody counts what a task stores that is no longer ours.
        signal.throwIfAborted();
        await context.commit(number, { etag, sizeBytes: bytes.length });
      },
    });

  const begun = order.begun;
  if (begun && claim.task.mark > 0) {
    file = { validator: begun.validator, sizeBytes: begun.sizeBytes };
    writer = writerInto(begun, claim.task.mark);
    log.info('import.resumed', { parts: claim.task.mark });
  }

  const receivedBytes = () => {
    const bytes = writer?.receivedBytes ?? 0;
    // The last part is a short one; an earlier attempt may have stored it.
    return Math.min(bytes, file?.sizeBytes ?? bytes);
  };

  const requireSize = (bytes: number) => {
    if (bytes <= order.maxBytes) return;
    throw new AppError('import_too_large', { detail: `An import may have ${order.maxBytes} bytes here.` });
  };

  /** A file read from its first byte: what is stored of an earlier one is given up. */
  const begin = async (opened: OpenFile) => {
    if (opened.sizeBytes === 0) throw new AppError('upload_empty');
    requireSize(opened.sizeBytes ?? 0);
    if (file && receivedBytes() > 0) {
      const hasChanged = file.validator !== opened.validator || file.sizeBytes !== opened.sizeBytes;
      if (++restarts > MAX_RESTARTS) throw unsteady(hasChanged);
      log.warn('import.restarted', { restarts, hasChanged });
    }
    await writer?.settle();
    const { validator, sizeBytes } = opened;
    file = { validator, sizeBytes };
    writer = writerInto(await context.beginImport({ validator, sizeBytes }), 0);
    log.info('import.begun', { sizeBytes, isResumable: validator !== undefined });
  };

  return {
    get receivedBytes() {
      return receivedBytes();
    },
    /** By this attempt, also what was given up again. */
    takenBytes: () => takenBytes,
    isComplete: () => hasEnded || (file?.sizeBytes !== undefined && receivedBytes() === file.sizeBytes),
    /** Without proof that the bytes are still the same the file is read from its start. */
    position: () => (file?.validator === undefined ? { offset: 0 } : { offset: receivedBytes(), ...file }),
    /** False when it has been done too often. */
    startOver() {
      file = undefined;
      writer = undefined;
      hasEnded = false;
      restarts += 1;
      return restarts <= MAX_RESTARTS;
    },
    async take(opened: OpenFile) {
      if (!writer || opened.offset === 0 || opened.offset !== receivedBytes()) await begin(opened);
      for await (const bytes of opened.body) {
        requireSize(receivedBytes() + bytes.length);
        await writer?.write(bytes);
        takenBytes += bytes.length;
        context.progress(receivedBytes());
      }
      if (file?.sizeBytes === undefined) hasEnded = true;
    },
    async finish() {
      await writer?.finish();
      if (receivedBytes() === 0) throw new AppError('upload_empty');
    },
    settle: () => writer?.settle() ?? Promise.resolve(),
    noteInterruption: (error: Interrupted, failures: number) =>
      log.warn('import.interrupted', { reason: error.message, failures, receivedBytes: receivedBytes() }),
  };
}

function unsteady(hasChanged: boolean): AppError {
  if (hasChanged) return new AppError('import_source_changed');
  const detail = 'The connection broke again and again, and the server cannot go on where it ended.';
  return new AppError('import_unreachable', { detail });
}
