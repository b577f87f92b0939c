// One file to a finished upload: streamed from disk, a few parts at a time, each part retried on its own.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  CompletedUpload,
  CreatedUpload,
  UploadMethod,
  UploadStatus,
  VideoInput,
} from '../../shared/api.ts';
import { expectedPartSizeBytes } from '../../shared/limits.ts';
import { type ApiClient, ApiFailure, type Body } from './api-client.ts';

const PARALLEL_PARTS = 4;
const ATTEMPTS = 6;
const FIRST_BACKOFF_MS = 300;
const READ_BYTES = 256 * 1024;

export type UploadRequest = {
  path: string;
  method: UploadMethod | 'auto';
  video: VideoInput;
  /** An upload begun earlier whose stored parts are not sent again. */
  resumeUploadId?: string;
};

export type UploadResult = CompletedUpload & { uploadId: string; method: UploadMethod; sizeBytes: number };

type OpenUpload = CreatedUpload | UploadStatus;
type OnBytes = (sentBytes: number) => void;

/** An upload that did not finish but may be resumed under its id. */
export class UploadInterrupted extends Error {
  readonly uploadId: string;

  constructor(uploadId: string, cause: unknown) {
    super(`upload ${uploadId} was interrupted`, { cause });
    this.uploadId = uploadId;
  }
}

/** @param onBytes told the bytes sent so far, as they leave; @throws UploadInterrupted, ApiFailure */
export async function uploadFile(
  client: ApiClient,
  request: UploadRequest,
  onBytes: OnBytes,
): Promise<UploadResult> {
  const { size } = await stat(request.path);
  const upload = request.resumeUploadId
    ? await client.upload(request.resumeUploadId)
    : await client.createUpload({
        filename: basename(request.path),
        sizeBytes: size,
        method: request.method,
        video: request.video,
      });
  if ('receivedBytes' in upload && upload.sizeBytes !== size) {
    const detail = `The upload was begun for ${upload.sizeBytes} bytes, the file has ${size}.`;
    throw new ApiFailure('upload_size_mismatch', detail, 422);
  }
  const { uploadId, method } = upload;
  try {
    await sendParts(client, upload, request.path, size, onBytes);
    const completed = await withRetries(() => client.completeUpload(uploadId));
    return { ...completed, uploadId, method, sizeBytes: size };
  } catch (error) {
    throw new UploadInterrupted(uploadId, error);
  }
}

async function sendParts(
  client: ApiClient,
  upload: OpenUpload,
  path: string,
  sizeBytes: number,
  onBytes: OnBytes,
): Promise<void> {
  const stored = new Set('receivedBytes' in upload ? upload.parts.map(({ number }) => number) : []);
  const sent = new Map<number, number>();
  const report = () => onBytes([...sent.values()].reduce((sum, bytes) => sum + bytes, 0));
  const sizeOf = (number: number) => expectedPartSizeBytes(number, sizeBytes, upload.partSizeBytes);
  for (const number of stored) sent.set(number, sizeOf(number));

  const sendPart = async (number: number) => {
    const isSingle = upload.method === 'single';
    const body = fileSlice(
      path,
      isSingle ? 0 : (number - 1) * upload.partSizeBytes,
      isSingle ? sizeBytes : sizeOf(number),
      (bytes) => {
        sent.set(number, bytes);
        report();
      },
    );
    await withRetries(() => putOne(client, upload, number, body));
  };
  const count = upload.method === 'single' ? 1 : upload.partCount;
  const waiting = Array.from({ length: count }, (_, index) => index + 1).filter(
    (number) => !stored.has(number),
  );
  await inParallel(waiting, PARALLEL_PARTS, sendPart);
}

async function putOne(client: ApiClient, upload: OpenUpload, number: number, body: Body): Promise<void> {
  if (upload.method === 'single') {
    await client.putContent(upload.uploadId, body);
  } else if (upload.method === 'multipart') {
    await client.putPart(upload.uploadId, number, body);
  } else {
    // Signed anew for each attempt: an expired signature is one of the reasons to retry.
    const [part] = await client.presignParts(upload.uploadId, [number]);
    if (!part) throw new ApiFailure('internal', `No address was given for part ${number}.`, 500);
    const etag = await client.putPresigned(part, body);
    await client.reportPart(upload.uploadId, number, etag);
  }
}

/** Bytes of a file as a stream that can be opened once per attempt. */
function fileSlice(path: string, offset: number, sizeBytes: number, onRead: (bytes: number) => void): Body {
  async function* chunks() {
    let read = 0;
    if (sizeBytes === 0) return;
    const file = createReadStream(path, {
      start: offset,
      end: offset + sizeBytes - 1,
      highWaterMark: READ_BYTES,
    });
    for await (const chunk of file) {
      yield chunk as Uint8Array;
      read += chunk.length;
      onRead(read);
    }
  }
  return { sizeBytes, stream: () => ReadableStream.from(chunks()) as ReadableStream<Uint8Array> };
}

async function withRetries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (count >= ATTEMPTS || !mayPass(error)) throw error;
      const backoffMs = FIRST_BACKOFF_MS * 2 ** (count - 1);
      await sleep(backoffMs * (0.5 + Math.random()));
    }
  }
}

/** Failures that another try may mend: no connection, overload, a signature that ran out. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof ApiFailure)) return error instanceof TypeError;
  const isExpiredSignature = error.status === 403 && error.code.startsWith('ExpiredRequest');
  return error.status >= 500 || error.status === 429 || error.status === 408 || isExpiredSignature;
}

/** Runs `work` over all items, a few at a time; the first failure stops new ones from starting. */
async function inParallel<T>(items: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  let hasFailed = false;
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined && !hasFailed; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}
