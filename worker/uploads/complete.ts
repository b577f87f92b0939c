// From "all parts have arrived" to one object in R2. Every step may be repeated: a lost reply, a second client
// or the sweeper go through the same door and come out with the same job.
import type { CompletedUpload, CompleteUpload } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { expectedPartSizeBytes } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Config, Env } from '../env.ts';
import { r2FailureOf, withR2Retries } from '../r2.ts';
import { finishUpload } from './finish.ts';
import { listedParts } from './listed-parts.ts';
import { partInProgress } from './part-claims.ts';
import { bareEtag, requirePartNumber } from './parts.ts';
import {
  beginCompletion,
  forgetChecksums,
  moveUpload,
  partsOf,
  recordParts,
  replaceParts,
  requireOpen,
  type UploadRow,
  uploadOf,
} from './store.ts';

/** How many missing part numbers an error lists. */
const MISSING_LISTED = 20;

export async function completeUpload(
  env: Env,
  config: Config,
  upload: UploadRow,
  input: CompleteUpload,
  log: Log,
): Promise<CompletedUpload> {
  if (upload.state === 'accepted') return { videoId: upload.video_id, jobId: upload.job_id! };
  if (upload.state !== 'completing') {
    requireOpen(upload);
    await takeReportedParts(env.DB, config, upload, input.parts ?? []);
    await requireAllParts(env.DB, upload);
    if (!(await beginCompletion(env.DB, upload))) {
      const now = await uploadOf(env.DB, upload.id, upload.owner_id);
      if (now.state === 'accepted') return { videoId: now.video_id, jobId: now.job_id! };
      if (now.state !== 'completing') {
        requireOpen(now);
        throw partInProgress();
      }
    }
  }
  return settleUpload(env, config, upload, log);
}

/** Carries an upload in state `completing` to its end. Also the sweeper's way to finish what a request left. */
export async function settleUpload(
  env: Env,
  config: Config,
  upload: UploadRow,
  log: Log,
): Promise<CompletedUpload> {
  if (upload.method !== 'single') await assemble(env, upload);
  return finishUpload(env, config, upload, log);
}

async function assemble(env: Env, upload: UploadRow): Promise<void> {
  const parts = await partsOf(env.DB, upload.id);
  const multipart = env.MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id!);
  const list = parts.map(({ number, etag }) => ({ partNumber: number, etag }));
  try {
    await withR2Retries(() => multipart.complete(list));
  } catch (error) {
    const failure = r2FailureOf(error);
    // Completed before, with the reply lost: the object itself will tell.
    if (failure === 'no_such_upload') return;
    const code = failure === 'invalid_part' ? 'upload_part_etag_mismatch' : 'upload_part_size_mismatch';
    if (failure !== 'invalid_part' && failure !== 'unequal_parts' && failure !== 'part_too_small')
      throw error;
    // A part that was stored and not recorded is not what the ledger says it is: none is taken for held unseen.
    await forgetChecksums(env.DB, upload);
    await moveUpload(env.DB, upload, ['completing'], 'receiving');
    throw new AppError(code, {
      detail: 'Storage refused a part; put it again and complete again.',
      cause: error,
    });
  }
}

/**
 * Etags a client sends along: a check for parts that we stored ourselves or that storage tells us of, and news for a
 * presigned upload where storage does not tell.
 */
async function takeReportedParts(
  db: D1Database,
  config: Config,
  upload: UploadRow,
  reported: { number: number; etag: string }[],
): Promise<void> {
  if (upload.method === 'single') return;
  for (const { number } of reported) requirePartNumber(upload, number);
  const listed = await listedParts(config, upload);
  if (listed) await replaceParts(db, upload, listed);
  if (reported.length === 0) return;
  if (upload.method === 'presigned' && !listed) {
    const rows = reported.map(({ number, etag }) => ({
      number,
      size_bytes: expectedPartSizeBytes(number, upload.size_bytes, upload.part_bytes),
      etag: bareEtag(etag),
    }));
    if (!(await recordParts(db, upload, rows))) throw new AppError('upload_not_open');
    return;
  }
  const parts = listed ?? (await partsOf(db, upload.id));
  const held = new Map(parts.map((part) => [part.number, part.etag]));
  for (const { number, etag } of reported) {
    // A part that is not held at all is reported as missing, below.
    if (held.has(number) && held.get(number) !== bareEtag(etag)) {
      throw new AppError('upload_part_etag_mismatch', { detail: `Part ${number} has another etag.` });
    }
  }
}

async function requireAllParts(db: D1Database, upload: UploadRow): Promise<void> {
  if (upload.is_length_deferred) {
    throw new AppError('upload_parts_missing', { detail: 'The length of this upload is not known yet.' });
  }
  const parts = await partsOf(db, upload.id);
  const held = new Set(parts.map((part) => part.number));
  const missing: number[] = [];
  for (let number = 1; number <= upload.part_count && missing.length < MISSING_LISTED; number++) {
    if (!held.has(number)) missing.push(number);
  }
  if (missing.length > 0) {
    const count = upload.part_count - held.size;
    throw new AppError('upload_parts_missing', {
      detail: `${count} of ${upload.part_count} parts have not arrived; the first missing are ${missing.join(', ')}.`,
      extra: { missing },
    });
  }
  const totalBytes = parts.reduce((sum, part) => sum + part.size_bytes, 0);
  if (totalBytes !== upload.size_bytes) {
    throw new AppError('upload_size_mismatch', {
      detail: `The parts have ${totalBytes} bytes, the declared size is ${upload.size_bytes}.`,
    });
  }
}
