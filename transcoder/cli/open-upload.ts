// Finds the upload a file belongs to: the one an earlier run began, if it still takes this very file, else a new
// one.
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type {
  CreatedUpload,
  CreateUpload,
  PresignedPart,
  UploadMethod,
  VideoInput,
} from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import type { UploadState } from '../../shared/states.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';
import { BRIEF, mayPass, type RetryOptions, withRetries } from './retry.ts';
import { type FileIdentity, isSameFile, type JournalEntry, type UploadJournal } from './upload-journal.ts';

/** One PUT cannot go on in the middle, so it is for files that are soon sent again. */
const SINGLE_MAX_BYTES = 16 * MIB;

export type OpenUpload = {
  uploadId: string;
  method: UploadMethod;
  state: UploadState;
  partSizeBytes: number;
  partCount: number;
  held: Set<number>;
  firstUrls: PresignedPart[];
  entry: JournalEntry;
};

export type FileToUpload = {
  path: string;
  file: FileIdentity;
  method: CreateUpload['method'];
  video: VideoInput;
  journal: UploadJournal;
  resumeUploadId?: string | undefined;
};

export async function openUpload(
  client: ApiClient,
  wanted: FileToUpload,
  retry: Omit<RetryOptions, 'policy'>,
  onNote: (note: string) => void,
): Promise<OpenUpload> {
  // Nothing is lost by giving up early here, and a wrong address should show at once.
  const briefly: RetryOptions = { ...retry, policy: BRIEF };
  if (wanted.resumeUploadId) return openNamed(client, wanted, wanted.resumeUploadId, briefly);
  const entry = await wanted.journal.read();
  if (!entry) return begin(client, wanted, randomUUID(), briefly);
  if (!isSameFile(entry.file, wanted.file)) {
    onNote('The file has changed since the upload began; it starts anew.');
    if (entry.uploadId) await abandon(client, entry.uploadId);
    return begin(client, wanted, randomUUID(), briefly);
  }
  if (!entry.uploadId) return begin(client, wanted, entry.idempotencyKey, briefly);

  const resumed = await goOn(client, entry, entry.uploadId, briefly);
  if (typeof resumed !== 'string') return resumed;
  onNote(`The upload begun earlier is ${resumed}; it starts anew.`);
  return begin(client, wanted, randomUUID(), briefly);
}

/** Gives an upload up so that its bytes are freed early; the server's own expiry is the one to rely on. */
export async function abandon(client: ApiClient, uploadId: string): Promise<void> {
  await client.abortUpload(uploadId).catch((error: unknown) => {
    if (!(error instanceof ApiFailure) && !(error instanceof TypeError)) throw error;
  });
}

/** @returns in a word why it cannot go on */
async function goOn(
  client: ApiClient,
  entry: JournalEntry,
  uploadId: string,
  retry: RetryOptions,
): Promise<OpenUpload | string> {
  const status = await withRetries(() => client.upload(uploadId), retry).catch((error: unknown) => {
    if (error instanceof ApiFailure && error.code === 'not_found') return undefined;
    throw error;
  });
  if (!status) return 'gone';
  const { state, expiresAt } = status;
  if (state === 'expired' || state === 'aborted' || state === 'rejected') return state;
  const isOpen = state === 'created' || state === 'receiving';
  if (isOpen && Date.parse(expiresAt) <= Date.now()) return 'expired';
  return {
    ...{ uploadId, method: status.method, state, firstUrls: [], entry },
    ...{ partSizeBytes: status.partSizeBytes, partCount: status.partCount },
    held: new Set(status.parts.map(({ number }) => number)),
  };
}

/** An upload a person names: it goes on or fails, nothing is begun in its place. */
async function openNamed(
  client: ApiClient,
  { path, file }: FileToUpload,
  uploadId: string,
  retry: RetryOptions,
): Promise<OpenUpload> {
  const { sizeBytes } = await withRetries(() => client.upload(uploadId), retry);
  if (sizeBytes !== file.sizeBytes) {
    const detail = `The upload was begun for ${sizeBytes} bytes, the file has ${file.sizeBytes}.`;
    throw new ApiFailure('upload_size_mismatch', detail, 422);
  }
  const entry = { path, file, idempotencyKey: randomUUID(), uploadId, unreportedEtags: {} };
  const resumed = await goOn(client, entry, uploadId, retry);
  if (typeof resumed === 'string') throw new ApiFailure('upload_not_open', `The upload is ${resumed}.`, 409);
  return resumed;
}

async function begin(
  client: ApiClient,
  wanted: FileToUpload,
  idempotencyKey: string,
  retry: RetryOptions,
): Promise<OpenUpload> {
  const { path, file, journal } = wanted;
  const entry: JournalEntry = { path, file, idempotencyKey, unreportedEtags: {} };
  await journal.write(entry);
  let created: CreatedUpload;
  try {
    created = await create(client, wanted, idempotencyKey, retry);
  } catch (error) {
    // Refused for good: the same key would only bring the same answer.
    if (error instanceof ApiFailure && !mayPass(error)) await journal.remove();
    throw error;
  }
  const { uploadId, method, partSizeBytes, partCount, parts = [] } = created;
  const begun = { ...entry, uploadId };
  await journal.write(begun);
  return {
    ...{ uploadId, method, partSizeBytes, partCount, state: 'created' as const },
    ...{ held: new Set<number>(), firstUrls: parts, entry: begun },
  };
}

async function create(
  client: ApiClient,
  { path, file, method, video }: FileToUpload,
  idempotencyKey: string,
  retry: RetryOptions,
): Promise<CreatedUpload> {
  const candidates = method === 'auto' && file.sizeBytes > SINGLE_MAX_BYTES ? PART_METHODS : [method];
  const input = { filename: basename(path), sizeBytes: file.sizeBytes, video };
  for (const [index, candidate] of candidates.entries()) {
    try {
      // Another method is another request, which the key of the first would not fit.
      const key = index === 0 ? idempotencyKey : `${idempotencyKey}-${candidate}`;
      return await withRetries(() => client.createUpload({ ...input, method: candidate }, key), retry);
    } catch (error) {
      const isUnavailable = error instanceof ApiFailure && error.code === 'upload_method_unavailable';
      if (!isUnavailable || index === candidates.length - 1) throw error;
    }
  }
  throw new Error('there is no upload method to try');
}

/** Straight to storage where the deployment can, else through the edge. */
const PART_METHODS = ['presigned', 'multipart'] as const;
