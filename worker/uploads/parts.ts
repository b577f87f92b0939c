// Bytes through the edge: one whole file or one part, streamed into R2 and never held in memory. A body that
// is longer or shorter than it should be leaves nothing behind.
import type { UploadedPart } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { expectedPartSizeBytes } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Config, Env } from '../env.ts';
import { r2FailureOf, storageUnavailable } from '../r2.ts';
import { discardLeftovers } from './discard.ts';
import { hasEndedBadly, recordParts, requireOpen, type UploadRow, uploadOf } from './store.ts';

/** @throws AppError `upload_part_number_invalid` */
export function requirePartNumber(upload: UploadRow, number: number): void {
  if (Number.isInteger(number) && number >= 1 && number <= upload.part_count) return;
  throw new AppError('upload_part_number_invalid', {
    detail: `Parts are numbered 1 to ${upload.part_count}.`,
  });
}

/** PUT …/content of a `single` upload. */
export async function putContent(
  env: Env,
  config: Config,
  upload: UploadRow,
  request: Request,
  log: Log,
): Promise<void> {
  requireMethod(upload, 'single');
  requireOpen(upload);
  requireLength(request, upload.size_bytes, config, 'upload_size_mismatch');
  const stored = await streamed(request, upload.size_bytes, 'upload_size_mismatch', (body) =>
    env.MEDIA.put(upload.object_key, body, {
      customMetadata: { uploadId: upload.id },
      httpMetadata: { contentType: 'application/octet-stream' },
      ...(upload.sha256 && { sha256: upload.sha256 }),
    }),
  );
  const part = { number: 1, size_bytes: stored.size, etag: stored.etag };
  if (await recordParts(env.DB, upload, [part])) return;
  await discardLateContent(env, upload, log);
}

/** PUT …/parts/:n of a `multipart` upload. */
export async function putPart(
  env: Env,
  config: Config,
  upload: UploadRow,
  number: number,
  request: Request,
): Promise<UploadedPart> {
  requireMethod(upload, 'multipart');
  requireOpen(upload);
  requirePartNumber(upload, number);
  const sizeBytes = expectedPartSizeBytes(number, upload.size_bytes, upload.part_bytes);
  requireLength(request, sizeBytes, config, 'upload_part_size_mismatch');
  const multipart = env.MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id!);
  const { etag } = await streamed(request, sizeBytes, 'upload_part_size_mismatch', (body) =>
    multipart.uploadPart(number, body),
  );
  // The row is the promise that the part is kept, so it comes after R2 and before the answer.
  const isRecorded = await recordParts(env.DB, upload, [{ number, size_bytes: sizeBytes, etag }]);
  if (!isRecorded) throw new AppError('upload_not_open');
  return { number, etag, sizeBytes };
}

/** PUT …/parts/:n/etag: a `presigned` part as its client reports it; R2 judges the etag at completion. */
export async function reportPart(env: Env, upload: UploadRow, number: number, etag: string): Promise<void> {
  requireMethod(upload, 'presigned');
  requireOpen(upload);
  requirePartNumber(upload, number);
  const sizeBytes = expectedPartSizeBytes(number, upload.size_bytes, upload.part_bytes);
  const isRecorded = await recordParts(env.DB, upload, [
    { number, size_bytes: sizeBytes, etag: bareEtag(etag) },
  ]);
  if (!isRecorded) throw new AppError('upload_not_open');
}

/** S3 quotes etags, R2's binding does not. */
export function bareEtag(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1');
}

function requireMethod(upload: UploadRow, method: UploadRow['method']): void {
  if (upload.method === method) return;
  throw new AppError('upload_wrong_method', {
    detail: `This upload's method is ${upload.method}, not ${method}.`,
  });
}

type MismatchCode = 'upload_size_mismatch' | 'upload_part_size_mismatch';

function requireLength(
  request: Request,
  expectedBytes: number,
  config: Config,
  mismatch: MismatchCode,
): void {
  const header = request.headers.get('Content-Length');
  if (header === null || !/^\d+$/.test(header)) throw new AppError('upload_length_required');
  const lengthBytes = Number(header);
  if (lengthBytes > config.EDGE_BODY_LIMIT_BYTES) {
    throw new AppError('upload_body_too_large', {
      detail: `A request body may have ${config.EDGE_BODY_LIMIT_BYTES} bytes at most.`,
    });
  }
  if (lengthBytes !== expectedBytes)
    throw new AppError(mismatch, { detail: sizes(expectedBytes, lengthBytes) });
}

/**
 * Streams a request's body into R2 through a stream that insists on the length, since a Content-Length header
 * proves nothing about the bytes that follow. Not repeated on failure: the bytes are gone.
 */
async function streamed<T>(
  request: Request,
  expectedBytes: number,
  mismatch: MismatchCode,
  store: (body: ReadableStream) => Promise<T>,
): Promise<T> {
  const exact = new FixedLengthStream(expectedBytes);
  const source = request.body ?? new Blob([]).stream();
  const [piped, stored] = await Promise.allSettled([source.pipeTo(exact.writable), store(exact.readable)]);
  if (stored.status === 'fulfilled' && piped.status === 'fulfilled') return stored.value;

  const reasons = [piped, stored].flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const cause = reasons.at(-1);
  const failure = stored.status === 'rejected' ? r2FailureOf(stored.reason) : undefined;
  if (failure === 'bad_digest') throw new AppError('upload_checksum_mismatch', { cause });
  if (failure === 'no_such_upload') throw new AppError('upload_not_open', { cause });
  // A body that just stops is the client's; anything else that goes wrong after it was read is storage's.
  const isBodyAtFault = reasons.some(isLengthError) || (piped.status === 'rejected' && failure === undefined);
  if (!isBodyAtFault) throw storageUnavailable(cause);
  throw new AppError(mismatch, { detail: `The body does not have ${expectedBytes} bytes.`, cause });
}

function isLengthError(reason: unknown): boolean {
  return reason instanceof TypeError && reason.message.includes('FixedLengthStream');
}

/** Bytes that arrived after the upload was aborted or expired belong to nobody. */
async function discardLateContent(env: Env, upload: UploadRow, log: Log): Promise<never> {
  let now: UploadRow;
  try {
    now = await uploadOf(env.DB, upload.id, upload.owner_id);
  } catch (error) {
    // Its video has been deleted meanwhile, rows and all: nobody else would ever find these bytes.
    if (error instanceof AppError && error.code === 'not_found') await discardLeftovers(env, upload, log);
    throw error;
  }
  if (hasEndedBadly(now)) await discardLeftovers(env, now, log);
  requireOpen(now);
  throw new AppError('upload_not_open');
}

function sizes(expectedBytes: number, actualBytes: number): string {
  return `Expected ${expectedBytes} bytes, got ${actualBytes}.`;
}
