// One tus upload: its only writer, and the place where its bytes wait until they make a part.
//
// A byte is written to this object's SQLite first and acknowledged from there; a part goes to R2 from SQLite, so
// it can be sent again, and its rows go when R2 has it. Nothing rests on memory: the object may die at any line
// and the next one finds an offset that is true, parts that are in R2, and the rest in rows.
import { DurableObject } from 'cloudflare:workers';
import { AppError } from '../../shared/errors.ts';
import { MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { createLog, errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';
import { flushMeter } from '../http/meter.ts';
import { settleUpload } from './complete.ts';
import { discardLeftovers } from './discard.ts';
import { failUpload, moveUpload, prolong, recordParts, type UploadRow, uploadOf } from './store.ts';
import { sizeExceeded, TUS_MAX_BYTES, type TusChunk } from './tus-headers.ts';
import { HeldBytes } from './tus-held-bytes.ts';
import { Intake } from './tus-intake.ts';
import { growUpload, lengthOf } from './tus-length.ts';
import {
  acceptedState,
  offsetConflict,
  replyOf,
  requireTusOpen,
  type TusReply,
  type TusState,
} from './tus-object.ts';
import { putHeldPart } from './tus-parts.ts';

/** When an upload that has all its bytes is finished again after it failed for reasons of ours. */
const FINISH_RETRY_MS = 10 * SECOND_MS;
const ALARM_RETRY_MS = MINUTE_SECONDS * SECOND_MS;
/** Rows per statement: etags of this many parts stay far below D1's 2 MB for a parameter. */
const PARTS_PER_REPORT = 1000;

type Identity = { uploadId: string; ownerId: string };

export class TusUpload extends DurableObject<Env> {
  readonly #held: HeldBytes;
  #intake: Intake | undefined;
  #flushing: Promise<void> | undefined;
  #finishing: Promise<TusState> | undefined;
  #hasEnded = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#held = new HeldBytes(ctx.storage);
  }

  /** Takes the body of one PATCH. */
  append(
    seen: UploadRow,
    chunk: TusChunk,
    body: ReadableStream<Uint8Array> | null,
  ): Promise<TusReply<TusState>> {
    return replyOf(async () => {
      const intake = new Intake(this.ctx.storage, this.#held, body);
      try {
        await this.#takeTurn(intake);
        return await this.#append(seen, chunk, intake);
      } finally {
        if (this.#intake === intake) this.#intake = undefined;
        await intake.close();
      }
    });
  }

  /** How far the upload is; finishes one that has all its bytes and could not be finished at once. */
  state(seen: UploadRow): Promise<TusReply<TusState>> {
    return replyOf(async () => {
      const upload = this.#hasEnded ? await this.#refreshed(seen) : seen;
      if (upload.state === 'accepted') return acceptedState(upload);
      if (upload.state === 'completing') return this.#finish(upload);
      requireTusOpen(upload);
      await this.#remember(upload);
      const lengthBytes = lengthOf(upload);
      const { offset } = this.#held;
      if (offset === lengthBytes && !this.#intake) return this.#finish(upload);
      return { offset, lengthBytes };
    });
  }

  heldBytes(): number {
    return this.#hasEnded ? 0 : this.#held.offset;
  }

  /** For an upload that has ended. May be called in the midst of anything. */
  async drop(): Promise<void> {
    this.#hasEnded = true;
    this.#intake?.abandon();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Fires when the upload expires, and while one with all its bytes could not be finished. */
  override async alarm(): Promise<void> {
    const identity = this.ctx.storage.kv.get<Identity>('identity');
    if (!identity) return this.drop();
    const log = createLog({ uploadId: identity.uploadId });
    try {
      await this.#tend(identity, log);
    } catch (error) {
      if (this.#hasEnded) return;
      // The platform's own retries of an alarm come to an end; ours must not.
      log.warn('tus.alarm_failed', errorFields(error));
      await this.ctx.storage.setAlarm(Date.now() + ALARM_RETRY_MS);
    }
  }

  async #tend({ uploadId, ownerId }: Identity, log: Log): Promise<void> {
    const upload = await rowOrNothing(this.env.DB, uploadId, ownerId);
    if (!upload || !['created', 'receiving', 'completing'].includes(upload.state)) return this.drop();
    if (upload.state === 'completing' || this.#held.offset === lengthOf(upload)) {
      await this.#finish(upload);
    } else if (upload.is_expired) {
      const error = new AppError('upload_expired', { detail: 'The upload was not completed in time.' });
      const isExpired = await failUpload(this.env.DB, upload, {
        from: ['created', 'receiving'],
        to: 'expired',
        error,
      });
      if (!isExpired) throw new Error('the upload ended otherwise at this very moment');
      log.info('upload.expired', { uploadId });
      await discardLeftovers(this.env, upload, log);
    } else {
      await this.ctx.storage.setAlarm(Math.max(upload.expires_at * SECOND_MS, Date.now()) + SECOND_MS);
    }
  }

  /** One writer at a time; one that stands still has to give way. */
  async #takeTurn(intake: Intake): Promise<void> {
    if (this.#intake?.isStalled) await this.#intake.stop();
    if (this.#intake) throw new AppError('upload_locked', { retryAfterSeconds: 1 });
    this.#intake = intake;
    // What a dead predecessor had staged was never promised to anybody.
    if (!this.#hasEnded) this.#held.dropStaged();
  }

  async #append(seen: UploadRow, chunk: TusChunk, intake: Intake): Promise<TusState> {
    let upload = await this.#opened(seen);
    if (chunk.offset !== this.#held.offset) throw offsetConflict(this.#held.offset);
    const lengthBytes = lengthOf(upload, chunk);
    const roomBytes = (lengthBytes ?? TUS_MAX_BYTES) - chunk.offset;
    if (roomBytes < 0) {
      throw new AppError('invalid_request', { detail: 'Upload-Length is less than what is held already.' });
    }
    if ((chunk.contentLengthBytes ?? 0) > roomBytes) throw sizeExceeded(roomBytes);
    upload = await growUpload(this.env.DB, configOf(this.env), upload, chunk, this.#held.hasParts);
    requireTusOpen(upload);
    await this.#remember(upload);
    // R2 was unwell before: what waits has to go first, or rows would pile up without end.
    await this.#flush(upload);
    await intake.take(chunk, roomBytes, () => this.#flushSoon(upload));
    if (this.#hasEnded) requireTusOpen(await this.#refreshed(upload));

    const { offset } = this.#held;
    if (offset === lengthBytes) return this.#finish(upload);
    await this.#flushIfPossible(upload);
    if (offset === chunk.offset) return { offset, lengthBytes };
    return { offset, lengthBytes, expiresAt: await prolong(this.env.DB, upload) };
  }

  /** The row as it is now that the turn is ours. @throws AppError when it takes no more bytes. */
  async #opened(seen: UploadRow): Promise<UploadRow> {
    let upload = seen;
    if (seen.state === 'created') await moveUpload(this.env.DB, seen, ['created'], 'receiving');
    if (this.#hasEnded || seen.state === 'created' || seen.is_length_deferred) {
      upload = await this.#refreshed(seen);
    }
    if (upload.state === 'accepted') throw offsetConflict(upload.size_bytes);
    requireTusOpen(upload);
    return upload;
  }

  #refreshed({ id, owner_id }: UploadRow): Promise<UploadRow> {
    return uploadOf(this.env.DB, id, owner_id);
  }

  /** Whose bytes these are, for the alarm, which has nobody to ask. */
  async #remember(upload: UploadRow): Promise<void> {
    if (this.ctx.storage.kv.get('identity') !== undefined) return;
    const identity: Identity = { uploadId: upload.id, ownerId: upload.owner_id };
    this.ctx.storage.kv.put('identity', identity);
    await this.ctx.storage.setAlarm(upload.expires_at * SECOND_MS + SECOND_MS);
  }

  /** All bytes are here: the last part, the object, the job. Whatever fails is tried again by the alarm. */
  #finish(upload: UploadRow): Promise<TusState> {
    this.#finishing ??= this.#finishOnce(upload).finally(() => {
      this.#finishing = undefined;
    });
    return this.#finishing;
  }

  async #finishOnce(seen: UploadRow): Promise<TusState> {
    const log = createLog({ uploadId: seen.id });
    if (!this.#hasEnded) {
      await this.ctx.storage.setAlarm(Date.now() + FINISH_RETRY_MS);
      await this.#flush(seen);
      await this.#report(seen);
    }
    await moveUpload(this.env.DB, seen, ['created', 'receiving'], 'completing');
    const upload = await this.#refreshed(seen);
    if (upload.state !== 'completing' && upload.state !== 'accepted') requireTusOpen(upload);
    const { jobId } = await settleUpload(this.env, configOf(this.env), upload, log);
    // No request of this isolate may come by to tell what was counted here.
    this.ctx.waitUntil(flushMeter(this.env, log));
    await this.drop();
    return { offset: upload.size_bytes, lengthBytes: upload.size_bytes, jobId };
  }

  /** Sends every part that is whole to R2, one after the other, and tells the ledger. */
  async #flush(upload: UploadRow): Promise<void> {
    const hasPart = () =>
      !this.#hasEnded && this.#held.nextPart(upload.part_bytes, lengthOf(upload)) !== undefined;
    while (hasPart()) {
      this.#flushing ??= this.#flushOnce(upload).finally(() => {
        this.#flushing = undefined;
      });
      await this.#flushing;
    }
  }

  async #flushOnce(upload: UploadRow): Promise<void> {
    const part = this.#held.nextPart(upload.part_bytes, lengthOf(upload));
    if (!part) return;
    const etag = await putHeldPart(this.env, upload, part, this.#held, () => this.#hasEnded);
    if (this.#hasEnded) return;
    this.#held.partStored(part, etag);
  }

  /** While the body is still coming in: the bytes are safe, and who waits for the parts meets their errors. */
  #flushSoon(upload: UploadRow): void {
    if (!this.#flushing) this.#flush(upload).catch(() => undefined);
  }

  /** The bytes are held either way; trouble with R2 or D1 is the next request's to wait for. */
  async #flushIfPossible(upload: UploadRow): Promise<void> {
    try {
      await this.#flush(upload);
      await this.#report(upload);
    } catch (error) {
      if (this.#hasEnded || isEnding(error)) throw error;
      createLog({ uploadId: upload.id }).warn('tus.flush_failed', errorFields(error));
    }
  }

  /** Tells D1 which parts R2 holds. */
  async #report(upload: UploadRow): Promise<void> {
    for (;;) {
      const parts = this.#hasEnded ? [] : this.#held.unreportedParts(PARTS_PER_REPORT);
      if (parts.length === 0) return;
      if (!(await recordParts(this.env.DB, upload, parts))) {
        const now = await this.#refreshed(upload);
        // Another request is finishing it, with every part reported by then.
        if (now.state === 'completing' || now.state === 'accepted') return;
        requireTusOpen(now);
      }
      if (!this.#hasEnded) this.#held.partsReported(parts);
    }
  }
}

/** Whether the upload itself is over, as opposed to a service that did not answer. */
function isEnding(error: unknown): boolean {
  return error instanceof AppError && error.status < 500;
}

async function rowOrNothing(
  db: D1Database,
  uploadId: string,
  ownerId: string,
): Promise<UploadRow | undefined> {
  try {
    return await uploadOf(db, uploadId, ownerId);
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined;
    throw error;
  }
}
