// The file of a form becomes an upload like any other: method `multipart`, whose parts this very request puts.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { WholeForm } from '../../shared/legacy-api.ts';
import type { FormFile, FormTarget } from '../../shared/legacy-form.ts';
import { errorFields } from '../../shared/log.ts';
import type { AppEnv } from '../http/context.ts';
import { r2FailureOf, withR2Retries } from '../r2.ts';
import { abortUpload } from '../uploads/abort.ts';
import { completeUpload } from '../uploads/complete.ts';
import { createUpload } from '../uploads/create.ts';
import { isOpen, recordParts, requireOpen, type UploadRow, uploadOf } from '../uploads/store.ts';
import { RequestKey } from './request-key.ts';
import { requireSameForm, settleForm } from './settle-form.ts';

export class FormUpload implements FormTarget {
  readonly #c: Context<AppEnv>;
  #key: RequestKey | undefined;
  #upload: UploadRow | undefined;
  /** What an earlier request with the same key has made: nothing of this one is stored. */
  #isReplayed = false;

  constructor(c: Context<AppEnv>) {
    this.#c = c;
  }

  get isReplayed(): boolean {
    return this.#isReplayed;
  }

  async open(file: FormFile): Promise<void> {
    const { env, var: variables } = this.#c;
    const { config, caller, log } = variables;
    this.#key = await RequestKey.take(this.#c, file);
    if (this.#key?.isRepeated && (await this.#takeOver(this.#key))) return;
    const video = { ...file.title, visibility: config.LEGACY_VISIBILITY };
    const { filename, sizeBytes } = file;
    const input = { filename, sizeBytes, method: 'multipart' as const, video };
    const created = await createUpload(env, config, caller, input, this.#key?.resourceId);
    log.info('upload.created', { uploadId: created.uploadId, method: 'form' });
    this.#upload = await uploadOf(env.DB, created.uploadId, caller.ownerId);
  }

  async putPart(number: number, bytes: Uint8Array): Promise<void> {
    if (this.#isReplayed) return;
    const { MEDIA, DB } = this.#c.env;
    const upload = this.#opened();
    const multipart = MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id!);
    try {
      const { etag } = await withR2Retries(() => multipart.uploadPart(number, bytes));
      const isRecorded = await recordParts(DB, upload, [{ number, size_bytes: bytes.byteLength, etag }]);
      if (isRecorded) return;
    } catch (error) {
      if (r2FailureOf(error) !== 'no_such_upload') throw error;
    }
    requireOpen(await uploadOf(DB, upload.id, upload.owner_id));
    throw new AppError('upload_not_open');
  }

  async finish(form: WholeForm, last: { number: number; bytes: Uint8Array }): Promise<{ jobId: string }> {
    const { env, var: variables } = this.#c;
    const { config, caller, log } = variables;
    if (this.#isReplayed) await requireSameForm(env.DB, this.#opened(), form);
    else {
      await settleForm(env, config, this.#opened(), form);
      await this.putPart(last.number, last.bytes);
    }
    const upload = await uploadOf(env.DB, this.#opened().id, caller.ownerId);
    const { jobId } = await completeUpload(env, config, upload, {}, log);
    await this.#key?.settle(200);
    return { jobId };
  }

  /** After a failure: nothing is left, unless the file has been accepted or is about to be. Does not throw. */
  async abandon(error: unknown): Promise<void> {
    let isGone = this.#upload === undefined;
    try {
      if (this.#upload && !this.#isReplayed) {
        const { env, var: variables } = this.#c;
        const now = await uploadOf(env.DB, this.#upload.id, this.#upload.owner_id);
        if (now.state === 'created' || now.state === 'receiving') await abortUpload(env, now, variables.log);
        isGone = now.state !== 'completing' && now.state !== 'accepted';
      }
    } catch (cause) {
      // It expires by itself.
      this.#c.var.log.warn('form.abandon_failed', errorFields(cause));
    }
    const isRefusal = error instanceof AppError && error.status < 500;
    const hasMadeNothing = !this.#isReplayed && (isGone || isRefusal);
    await this.#key?.settle(hasMadeNothing ? 400 : 500);
  }

  /** @returns whether the earlier request's upload has all its bytes */
  async #takeOver(key: RequestKey): Promise<boolean> {
    const { env, var: variables } = this.#c;
    const upload = await this.#uploadIfMade(key.resourceId);
    if (upload?.state === 'accepted' || upload?.state === 'completing') {
      this.#upload = upload;
      this.#isReplayed = true;
      return true;
    }
    // Somebody died half-way: of a form no part can be told from another, so it is sent whole once more.
    if (upload && isOpen(upload)) await abortUpload(env, upload, variables.log);
    if (upload) await key.beginAnew();
    return false;
  }

  async #uploadIfMade(uploadId: string): Promise<UploadRow | undefined> {
    try {
      return await uploadOf(this.#c.env.DB, uploadId, this.#c.var.caller.ownerId);
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  #opened(): UploadRow {
    if (!this.#upload) throw new Error('the upload of the form is not open');
    return this.#upload;
  }
}
