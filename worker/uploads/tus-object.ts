// How requests talk to the Durable Object of a tus upload. Errors do not survive the way between the two as what
// they are, so they travel as data.
import { AppError, type ErrorCode } from '../../shared/errors.ts';
import type { Env } from '../env.ts';
import { storageUnavailable } from '../r2.ts';
import { requireOpen, type UploadRow } from './store.ts';
import type { TusChunk } from './tus-headers.ts';
import type { TusUpload } from './tus-upload.ts';

/**
 * Where an upload stands. The length is null while it is deferred; a job exists once everything is there. The time
 * it expires is told where it has just changed.
 */
export type TusState = { offset: number; lengthBytes: number | null; jobId?: string; expiresAt?: number };

export type TusReply<T> = { isOk: true; value: T } | { isOk: false; refusal: Refusal };

type Refusal = {
  code: ErrorCode;
  detail: string;
  retryAfterSeconds: number | undefined;
  headers: Record<string, string>;
};

/** Hands a request's body over. @throws AppError for everything the protocol knows. */
export function appendTo(
  env: Env,
  upload: UploadRow,
  chunk: TusChunk,
  body: ReadableStream | null,
): Promise<TusState> {
  return unwrapped(objectOf(env, upload.id).append(upload, chunk, body));
}

/** How far the upload is. One that has all its bytes and no job yet is finished on the way. */
export function stateOf(env: Env, upload: UploadRow): Promise<TusState> {
  return unwrapped(objectOf(env, upload.id).state(upload));
}

/** Bytes held, whatever the ledger knows of them. */
export async function heldBytesOf(env: Env, uploadId: string): Promise<number> {
  return objectOf(env, uploadId).heldBytes();
}

/** Forgets everything an ended upload holds outside of R2. */
export async function dropHeldBytes(env: Env, uploadId: string): Promise<void> {
  await objectOf(env, uploadId).drop();
}

export function acceptedState(upload: UploadRow): TusState {
  return { offset: upload.size_bytes, lengthBytes: upload.size_bytes, jobId: upload.job_id! };
}

/** As for other methods, but what was terminated is gone: the protocol wants 404 or 410 from then on. */
export function requireTusOpen(upload: UploadRow): void {
  if (upload.state === 'aborted') throw new AppError('upload_terminated');
  requireOpen(upload);
}

export function offsetConflict(offset: number): AppError {
  return new AppError('upload_offset_conflict', {
    detail: `The upload holds ${offset} bytes; go on from there.`,
    headers: { 'Upload-Offset': String(offset) },
  });
}

/** Runs the object's side of a call. Errors without a code stay errors. */
export async function replyOf<T>(work: () => Promise<T>): Promise<TusReply<T>> {
  try {
    return { isOk: true, value: await work() };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, detail, retryAfterSeconds, headers } = error;
    return { isOk: false, refusal: { code, detail, retryAfterSeconds, headers } };
  }
}

async function unwrapped<T>(call: Promise<TusReply<T>>): Promise<T> {
  let reply: TusReply<T>;
  try {
    reply = await call;
  } catch (error) {
    // https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
    const { retryable, overloaded } = error as { retryable?: boolean; overloaded?: boolean };
    if (retryable || overloaded) throw storageUnavailable(error);
    throw error;
  }
  if (reply.isOk) return reply.value;
  const { code, detail, retryAfterSeconds, headers } = reply.refusal;
  throw new AppError(code, {
    detail,
    headers,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

function objectOf(env: Env, uploadId: string): DurableObjectStub<TusUpload> {
  return env.TUS_UPLOADS.get(env.TUS_UPLOADS.idFromName(uploadId));
}
