// One request body on its way into an upload: the one writer the upload has at that moment. Memory holds one
// row, never the body.
import { AppError } from '../../shared/errors.ts';
import { MIB, SECOND_MS } from '../../shared/limits.ts';
import { ChecksumCheck } from './body-checksum.ts';
import { drainBody } from './drain-body.ts';
import { bodyTooLarge, sizeExceeded, type TusChunk } from './tus-headers.ts';
import { type HeldBytes, ROW_BYTES } from './tus-held-bytes.ts';

/** A client that lost its connection comes back while the old one still looks alive; then it may take over. */
const STALLED_AFTER_MS = 10 * SECOND_MS;
/** How much may wait for the disk before more is read. */
const SYNC_BYTES = 8 * MIB;

export class Intake {
  readonly #storage: DurableObjectStorage;
  readonly #held: HeldBytes;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #over = Promise.withResolvers<void>();
  #waitingSinceMs: number | undefined;
  #isAbandoned = false;

  constructor(storage: DurableObjectStorage, held: HeldBytes, body: ReadableStream<Uint8Array> | null) {
    this.#storage = storage;
    this.#held = held;
    this.#reader = body?.getReader();
  }

  get isStalled(): boolean {
    return this.#waitingSinceMs !== undefined && Date.now() - this.#waitingSinceMs >= STALLED_AFTER_MS;
  }

  /**
   * Reads the body to its end and keeps what arrived, also when the client goes away in the middle. A body with a
   * checksum counts as a whole or not at all. One that did not say how long it is counts unless it is too long.
   *
   * @param roomBytes how many bytes the upload still lacks
   * @throws AppError `upload_size_exceeded`, `upload_body_too_large`, `upload_chunk_checksum_mismatch`
   */
  async take(chunk: TusChunk, roomBytes: number, onRow: () => void): Promise<void> {
    const limitBytes = Math.min(roomBytes, chunk.bodyLimitBytes);
    const tooLong = () => (limitBytes === roomBytes ? sizeExceeded(roomBytes) : bodyTooLarge(limitBytes));
    if (chunk.checksum === undefined && chunk.contentLengthBytes !== undefined) {
      if (!(await this.#copy(limitBytes, onRow))) throw tooLong();
      return;
    }
    this.#held.stage();
    try {
      const check = chunk.checksum && new ChecksumCheck(chunk.checksum);
      const isWithinLimit = await this.#copy(limitBytes, () => undefined, check);
      if (this.#isAbandoned) return;
      if (!isWithinLimit) throw tooLong();
      if (check && !(await check.holds())) throw new AppError('upload_chunk_checksum_mismatch');
      if (!this.#isAbandoned) this.#held.keepStaged();
    } finally {
      if (!this.#isAbandoned) this.#held.dropStaged();
    }
  }

  /** Ends a reading that stands still. What has arrived stays. */
  async stop(): Promise<void> {
    await this.#reader?.cancel('another request took over');
    await this.#over.promise;
  }

  /** The upload has ended and its tables are gone: nothing may be written any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#reader?.cancel('the upload has ended').catch(() => undefined);
  }

  /** For the end of the request, however it came. */
  async close(): Promise<void> {
    this.#over.resolve();
    const reader = this.#reader;
    if (!reader) return;
    await drainBody({ next: async () => (await reader.read()).value, cancel: () => reader.cancel() });
  }

  /** @returns false when the body goes on past the limit; then what came before that still stands */
  async #copy(limitBytes: number, onRow: () => void, check?: ChecksumCheck): Promise<boolean> {
    const rows = new RowFiller(Math.min(ROW_BYTES, limitBytes), (row) => {
      if (this.#isAbandoned) return;
      this.#held.add(row);
      onRow();
    });
    let takenBytes = 0;
    let unsyncedBytes = 0;
    let isWithinLimit = true;
    for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) {
      takenBytes += piece.byteLength;
      isWithinLimit = takenBytes <= limitBytes;
      if (!isWithinLimit) break;
      await check?.add(piece);
      rows.add(piece);
      unsyncedBytes += piece.byteLength;
      if (unsyncedBytes < SYNC_BYTES) continue;
      await this.#storage.sync();
      unsyncedBytes = 0;
    }
    rows.flush();
    return isWithinLimit;
  }

  /** The next bytes; undefined at the end, and also where the client has gone. */
  async #next(): Promise<Uint8Array | undefined> {
    this.#waitingSinceMs = Date.now();
    try {
      return (await this.#reader?.read())?.value;
    } catch {
      // Nobody is left to hear of it, and what has arrived is worth keeping.
      return undefined;
    } finally {
      this.#waitingSinceMs = undefined;
    }
  }
}

/** Gathers pieces of any size into rows of one size. */
class RowFiller {
  readonly #row: Uint8Array;
  readonly #store: (row: Uint8Array) => void;
  #filled = 0;

  constructor(rowBytes: number, store: (row: Uint8Array) => void) {
    this.#row = new Uint8Array(rowBytes);
    this.#store = store;
  }

  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.byteLength; ) {
      const bytes = piece.subarray(at, at + this.#row.byteLength - this.#filled);
      this.#row.set(bytes, this.#filled);
      this.#filled += bytes.byteLength;
      at += bytes.byteLength;
      if (this.#filled === this.#row.byteLength) this.flush();
    }
  }

  flush(): void {
    if (this.#filled > 0) this.#store(this.#row.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
