// One file to a finished upload. It may be ended at any moment and called again with the same journal: what was
// acknowledged is not sent again.
import type { CompletedUpload, CreateUpload, UploadMethod, VideoInput } from '../../shared/api.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';
import { abandon, type OpenUpload, openUpload } from './open-upload.ts';
import { PATIENT, type RetryOptions, type RetryPolicy, withRetries } from './retry.ts';
import { sendParts } from './send-parts.ts';
import {
  type FileIdentity,
  identifyFile,
  isSameFile,
  NO_JOURNAL,
  type UploadJournal,
} from './upload-journal.ts';

const PARALLEL_PARTS = 4;
/** Rounds of sending what completion finds missing. */
const COMPLETION_ROUNDS = 3;

export type UploadRequest = {
  path: string;
  method: CreateUpload['method'];
  video: VideoInput;
  parallelParts?: number | undefined;
  /** Where the upload is remembered; it stays there when this returns, for what follows the upload. */
  journal?: UploadJournal | undefined;
  /** An upload begun elsewhere. */
  resumeUploadId?: string | undefined;
};

export type UploadEvents = {
  /** @param resumedBytes of them were there before this run */
  onBytes?: (sentBytes: number, resumedBytes: number) => void;
  /** A sentence for a person. */
  onNote?: (note: string) => void;
  /** A failure that may pass, and when the next try is. */
  onWait?: (error: unknown, delayMs: number) => void;
  signal?: AbortSignal | undefined;
  retryPolicy?: RetryPolicy;
};

export type UploadResult = CompletedUpload & { uploadId: string; method: UploadMethod; sizeBytes: number };

/** An upload that did not finish. */
export class UploadInterrupted extends Error {
  readonly uploadId: string;
  /** Whether another run can go on with it. */
  readonly isResumable: boolean;

  constructor(uploadId: string, isResumable: boolean, cause: unknown) {
    super(`upload ${uploadId} was interrupted`, { cause });
    this.uploadId = uploadId;
    this.isResumable = isResumable;
  }
}

/** @throws UploadInterrupted, ApiFailure, or the signal's reason before there is an upload */
export async function uploadFile(
  client: ApiClient,
  request: UploadRequest,
  events: UploadEvents = {},
): Promise<UploadResult> {
  const { path, journal = NO_JOURNAL } = request;
  const { signal, onWait, onNote = () => {} } = events;
  const file = await identifyFile(path);
  const upload = await openUpload(client, { ...request, file, journal }, { signal, onWait }, onNote);
  const { uploadId, method } = upload;
  const retry: RetryOptions = { policy: events.retryPolicy ?? PATIENT, signal, onWait };
  try {
    await reportKeptEtags(client, upload, journal, retry);
    const completed = await sendAndComplete({ client, request, journal, events, file, upload, retry });
    return { ...completed, uploadId, method, sizeBytes: file.sizeBytes };
  } catch (error) {
    if (!isOver(error)) throw new UploadInterrupted(uploadId, true, error);
    await journal.remove();
    await abandon(client, uploadId);
    throw new UploadInterrupted(uploadId, false, error);
  }
}

type Run = {
  client: ApiClient;
  request: UploadRequest;
  journal: UploadJournal;
  events: UploadEvents;
  file: FileIdentity;
  upload: OpenUpload;
  retry: RetryOptions;
};

async function sendAndComplete(run: Run): Promise<CompletedUpload> {
  const { client, upload, retry } = run;
  const { uploadId, state } = upload;
  let { held } = upload;
  for (let round = 1; ; round += 1) {
    // Past these states every byte has been accepted, and only the answer is missing.
    if (state === 'created' || state === 'receiving') await sendMissing(run, held);
    try {
      return await withRetries(() => client.completeUpload(uploadId), retry);
    } catch (error) {
      const isMissing = error instanceof ApiFailure && error.code === 'upload_parts_missing';
      if (!isMissing || round === COMPLETION_ROUNDS) throw error;
      const { parts } = await withRetries(() => client.upload(uploadId), retry);
      held = new Set(parts.map(({ number }) => number));
    }
  }
}

async function sendMissing(run: Run, held: ReadonlySet<number>): Promise<void> {
  const { client, request, journal, events, file, upload, retry } = run;
  const { entry } = upload;
  const resumedBytes = bytesOf(upload, file.sizeBytes);
  await sendParts(client, {
    ...upload,
    ...{ held, retry, path: request.path, sizeBytes: file.sizeBytes },
    parallelParts: request.parallelParts ?? PARALLEL_PARTS,
    onBytes: (sentBytes) => events.onBytes?.(sentBytes, resumedBytes),
    keepEtag: async (number, etag) => {
      if (etag === undefined) delete entry.unreportedEtags[number];
      else entry.unreportedEtags[number] = etag;
      await journal.write(entry);
    },
  });
  if (isSameFile(file, await identifyFile(request.path))) return;
  throw new ApiFailure('file_changed', 'The file changed while it was being uploaded.', 409);
}

/** Parts that storage acknowledged in an earlier run which ended before it could say so. */
async function reportKeptEtags(
  client: ApiClient,
  { uploadId, entry, held, state }: OpenUpload,
  journal: UploadJournal,
  retry: RetryOptions,
): Promise<void> {
  const kept = Object.entries(entry.unreportedEtags);
  if (kept.length === 0 || (state !== 'created' && state !== 'receiving')) return;
  for (const [key, etag] of kept) {
    const number = Number(key);
    if (!held.has(number)) await withRetries(() => client.reportPart(uploadId, number, etag), retry);
    held.add(number);
  }
  entry.unreportedEtags = {};
  await journal.write(entry);
}

function bytesOf({ held, partCount, partSizeBytes }: OpenUpload, sizeBytes: number): number {
  const lastBytes = sizeBytes - (partCount - 1) * partSizeBytes;
  return held.size * partSizeBytes - (held.has(partCount) ? partSizeBytes - lastBytes : 0);
}

/** Verdicts on the upload or the file, after which the same upload can never succeed. */
function isOver(error: unknown): boolean {
  if (!(error instanceof ApiFailure) || error.isFromStorage || error.isBodyDamaged) return false;
  return OVER_CODES.has(error.code) || error.code.startsWith('media_');
}

const OVER_CODES = new Set([
  ...['not_found', 'file_changed', 'upload_not_open', 'upload_expired', 'upload_size_mismatch'],
  ...['upload_part_size_mismatch', 'upload_part_etag_mismatch', 'upload_checksum_mismatch'],
]);
