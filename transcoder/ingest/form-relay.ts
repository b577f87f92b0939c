// The file of a form on its way to the API, as a multipart upload of the caller's own: one part is held at a time and
// sent again where the line breaks.
import { createHash } from 'node:crypto';
import { AppError } from '../../shared/errors.ts';
import type { WholeForm } from '../../shared/legacy-api.ts';
import type { FormFile, FormTarget } from '../../shared/legacy-form.ts';
import type { Log } from '../../shared/log.ts';
import type { UploadState } from '../../shared/states.ts';
import type { ApiClient, Body } from '../cli/api-client.ts';
import { type RetryPolicy, withRetries } from '../cli/retry.ts';

/** An API that cannot be reached should show in seconds; bytes under way are worth a minute. */
const OPENING: RetryPolicy = { attempts: 5, patienceMs: 0, firstDelayMs: 300, maxDelayMs: 5000 };
const RELAYING: RetryPolicy = { attempts: 5, patienceMs: 60_000, firstDelayMs: 300, maxDelayMs: 5000 };
const CLEARING: RetryPolicy = { attempts: 3, patienceMs: 0, firstDelayMs: 300, maxDelayMs: 1000 };

/** Attempts with one Idempotency-Key that ended badly before another key is asked for. */
const MAX_ATTEMPTS_PER_KEY = 20;

export class FormRelay implements FormTarget {
  readonly #client: ApiClient;
  readonly #key: string | undefined;
  readonly #signal: AbortSignal;
  readonly #log: Log;
  #uploadId: string | undefined;
  /** All bytes are there, from an earlier form with the same key. */
  #isReplayed = false;

  constructor(client: ApiClient, options: { key: string | undefined; signal: AbortSignal; log: Log }) {
    this.#client = client;
    this.#key = options.key;
    this.#signal = options.signal;
    this.#log = options.log;
  }

  get isReplayed(): boolean {
    return this.#isReplayed;
  }

  async open({ title, ...file }: FormFile): Promise<void> {
    const input = { ...file, method: 'multipart' as const, video: { ...title } };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS_PER_KEY; attempt += 1) {
      const key = this.#key === undefined ? undefined : derivedKey(this.#key, attempt);
      // Of all tries of this request, should an answer get lost.
      const requestKey = key ?? crypto.randomUUID();
      const created = await this.#tried(() => this.#client.createUpload(input, requestKey), OPENING);
      const state = key === undefined ? 'created' : await this.#stateOf(created.uploadId);
      // An earlier form with this key failed, and its upload with it.
      if (['aborted', 'expired', 'rejected'].includes(state)) continue;
      this.#uploadId = created.uploadId;
      this.#isReplayed = state === 'accepted' || state === 'completing';
      return;
    }
    throw new AppError('upload_not_open', {
      detail: 'Too many forms with this Idempotency-Key have failed.',
    });
  }

  async putPart(number: number, bytes: Uint8Array): Promise<void> {
    if (!this.#isReplayed)
      await this.#tried(() => this.#client.putPart(this.#opened(), number, bodyOf(bytes)));
  }

  async finish(form: WholeForm, last: { number: number; bytes: Uint8Array }): Promise<{ jobId: string }> {
    const uploadId = this.#opened();
    await this.#tried(() => this.#client.settleForm(uploadId, form));
    await this.putPart(last.number, last.bytes);
    const { jobId } = await this.#tried(() => this.#client.completeUpload(uploadId));
    return { jobId };
  }

  /** After a failure: nothing is left, unless the file was accepted. Does not throw. */
  async abandon(): Promise<void> {
    const uploadId = this.#uploadId;
    if (uploadId === undefined || this.#isReplayed) return;
    try {
      await withRetries(() => this.#client.abortUpload(uploadId), { policy: CLEARING });
    } catch {
      // It expires by itself, or is about to be accepted.
      this.#log.warn('form.abandon_failed', { uploadId });
    }
  }

  #tried<T>(call: () => Promise<T>, policy = RELAYING): Promise<T> {
    return withRetries(call, { policy, signal: this.#signal });
  }

  async #stateOf(uploadId: string): Promise<UploadState> {
    return (await this.#tried(() => this.#client.upload(uploadId))).state;
  }

  #opened(): string {
    if (this.#uploadId === undefined) throw new Error('the upload of the form is not open');
    return this.#uploadId;
  }
}

function derivedKey(key: string, attempt: number): string {
  return `form-${createHash('sha256').update(key).digest('hex')}-${attempt}`;
}

function bodyOf(bytes: Uint8Array): Body {
  return {
    sizeBytes: bytes.byteLength,
    stream: () => ReadableStream.from(piecesOf(bytes)) as ReadableStream<Uint8Array>,
    digest: async (algorithm) => createHash(algorithm).update(bytes).digest('base64'),
  };
}

const PIECE_BYTES = 256 * 1024;

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
    // A copy: what fetch still holds of a broken attempt must not change under the next form's part.
    yield bytes.slice(at, at + PIECE_BYTES);
  }
}
