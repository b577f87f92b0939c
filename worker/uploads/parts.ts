// Bytes through the edge: one whole file or one part, stored by one writer at a time. A body that is longer or
// shorter than it should be, or does not match the checksum in its `Content-Digest` or `Content-MD5`, leaves
// nothing behind.
import type { UploadedPart } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { expectedPartSizeBytes } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Config, Env } from '../env.ts';
import { readContentDigest } from './body-checksum.ts';
import { discardLeftovers } from './discard.ts';
import { drainBody, piecesOf } from './drain-body.ts';
import { type ExpectedBody, storeBody } from './part-body.ts';
import { asOnlyWriter } from './part-claims.ts';
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
  const expected = expectedBody(request, upload.size_bytes, config, 'upload_size_mismatch');
  await asOnlyWriter(env.DB, upload, 1, async (claim) => {
    const stored = await storeBody(request, expected, claim, (body) =>
      env.MEDIA.put(upload.object_key, body, {
        customMetadata: { uploadId: upload.id },
        httpMetadata: { contentType: 'application/octet-stream' },
        ...(upload.sha256 && { sha256: upload.sha256 }),
      }),
    );
    const part = { number: 1, size_bytes: stored.size, etag: stored.etag, checksum: nameOf(expected) };
    if (!(await claim.record(part))) await discardLateContent(env, upload, log);
  });
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
  const expected = expectedBody(request, sizeBytes, config, 'upload_part_size_mismatch');
  const checksum = nameOf(expected);
  return asOnlyWriter(env.DB, upload, number, async (claim) => {
    if (checksum !== null && claim.held?.checksum === checksum) {
      // The same bytes once more, because the first answer got lost.
      if (request.body) await drainBody(piecesOf(request.body));
      return { number, etag: claim.held.etag, sizeBytes };
    }
    const multipart = env.MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id!);
    const { etag } = await storeBody(request, expected, claim, (body) => multipart.uploadPart(number, body));
    // The row is the promise that the part is kept, so it comes after R2 and before the answer.
    const isRecorded = await claim.record({ number, size_bytes: sizeBytes, etag, checksum });
    if (!isRecorded) await claim.refuseLost();
    return { number, etag, sizeBytes };
  });
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

/** @throws AppError where the headers alone show that it cannot be the body */
function expectedBody(
  request: Request,
  sizeBytes: number,
  config: Config,
  mismatch: ExpectedBody['mismatch'],
): ExpectedBody {
  const header = request.headers.get('Content-Length');
  if (header === null || !/^\d+$/.test(header)) throw new AppError('upload_length_required');
  const lengthBytes = Number(header);
  if (lengthBytes > config.EDGE_BODY_LIMIT_BYTES) {
    throw new AppError('upload_body_too_large', {
      detail: `A request body may have ${config.EDGE_BODY_LIMIT_BYTES} bytes at most.`,
    });
  }
  if (lengthBytes !== sizeBytes) {
    throw new AppError(mismatch, { detail: `Expected ${sizeBytes} bytes, got ${lengthBytes}.` });
  }
  return { sizeBytes, mismatch, checksum: readContentDigest(request.headers) };
}

/** How the ledger remembers a checksum that was found to hold. */
function nameOf({ checksum }: ExpectedBody): string | null {
  return checksum ? `${checksum.algorithm}=${checksum.digest}` : null;
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
