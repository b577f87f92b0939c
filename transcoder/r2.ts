// R2 through its S3 API: reads that are all or nothing, writes that happen once.
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../shared/errors.ts';
import type { StorageAccess } from '../shared/messages.ts';
import { meter } from './metrics.ts';
import { withRetries } from './retry.ts';

/** Etags go in and come out without quotes. */
export type R2 = {
  /** Stores the bytes unless the key is taken; R2 checks their sha256. */
  putOnce(key: string, bytes: Uint8Array, contentType: string): Promise<'stored' | 'exists'>;
  /** @throws AppError `not_found` */
  get(key: string): Promise<Uint8Array>;
  /** @throws AppError `source_changed` where the object has another etag or is gone. */
  getRange(key: string, offset: number, length: number, etag: string): Promise<Uint8Array>;
  head(key: string): Promise<{ sizeBytes: number; etag: string } | undefined>;
  /**
   * Stores a part of a multipart upload that the Worker has opened; putting it again replaces it.
   * @returns the part's etag.
   * @throws AppError `upload_not_open` where the multipart upload is gone.
   */
  uploadPart(key: string, r2UploadId: string, number: number, bytes: Uint8Array): Promise<string>;
  /**
   * Stores an object of many parts, all of one size but the last; whatever was there is replaced.
   * At no time is more than one part held here.
   */
  putParts(key: string, parts: AsyncIterable<Uint8Array>, contentType: string): Promise<void>;
  list(prefix: string): Promise<{ key: string; sizeBytes: number; etag: string }[]>;
};

/** Five further attempts over about three seconds; after that the task is given back. */
const RETRY_DELAYS_MS = [100, 200, 400, 800, 1600];
const CONNECT_TIMEOUT_MS = 5000;
/** Silence on a connection, before the first byte or between two. */
const IDLE_TIMEOUT_MS = 15_000;
/** A PUT may take this long plus its bytes at the slowest rate worth waiting for. */
const PUT_TIMEOUT_MS = 30_000;
const PUT_BYTES_PER_MS = 128;

/** Refusals that each call reads its own meaning from; everything else is trouble with the storage. */
const MEANINGFUL_STATUSES = new Set([404, 412, 416]);

export type R2Timing = { retryDelaysMs?: readonly number[]; idleTimeoutMs?: number };

export function createR2(access: StorageAccess, timing: R2Timing = {}): R2 {
  const { retryDelaysMs = RETRY_DELAYS_MS, idleTimeoutMs = IDLE_TIMEOUT_MS } = timing;
  const Bucket = access.bucket;
  const client = new S3Client({
    endpoint: access.endpoint,
    region: 'auto',
    forcePathStyle: true,
    // Locally a 100-continue never comes and every large body would wait for it.
    expectContinueHeader: false,
    // R2 does not take the SDK's streamed checksum trailers; we send sha256 ourselves.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpsAgent: { maxSockets: 64 },
      httpAgent: { maxSockets: 64 },
    },
    credentials: {
      accessKeyId: access.accessKeyId,
      secretAccessKey: access.secretAccessKey,
      ...(access.sessionToken && { sessionToken: access.sessionToken }),
    },
  });

  const retried = async <T>(attempt: () => Promise<T>): Promise<T> => {
    try {
      return await withRetries(attempt, { delaysMs: retryDelaysMs, isRetryable, onRetry: countRetry });
    } catch (error) {
      if (isMistake(error) || MEANINGFUL_STATUSES.has(statusOf(error) ?? 0)) throw error;
      throw new AppError('storage_unavailable', { cause: error });
    }
  };

  const read = (input: GetObjectCommandInput): Promise<Uint8Array> =>
    retried(async () => {
      const idle = idleTimer(idleTimeoutMs);
      try {
        const answer = await client.send(new GetObjectCommand(input), { abortSignal: idle.signal });
        const expectedBytes = answer.ContentLength ?? 0;
        const bytes = Buffer.allocUnsafe(expectedBytes);
        let filled = 0;
        for await (const chunk of answer.Body as AsyncIterable<Buffer>) {
          idle.restart();
          if (filled + chunk.length > expectedBytes) throw new TruncatedRead('more bytes than declared');
          filled += chunk.copy(bytes, filled);
        }
        if (filled !== expectedBytes) throw new TruncatedRead(`${filled} of ${expectedBytes} bytes`);
        countBytes('read', filled);
        return bytes;
      } finally {
        idle.stop();
      }
    });

  const r2: R2 = {
    async putOnce(Key, bytes, ContentType) {
      const ChecksumSHA256 = createHash('sha256').update(bytes).digest('base64');
      const command = { Bucket, Key, Body: bytes, ContentType, ChecksumSHA256, IfNoneMatch: '*' };
      try {
        await retried(() => client.send(new PutObjectCommand(command), { abortSignal: putTimeout(bytes) }));
        countBytes('written', bytes.byteLength);
        return 'stored';
      } catch (error) {
        if (statusOf(error) === 412) return 'exists';
        throw error;
      }
    },

    async get(Key) {
      try {
        return await read({ Bucket, Key });
      } catch (error) {
        if (statusOf(error) === 404)
          throw new AppError('not_found', { detail: `There is no ${Key}.`, cause: error });
        throw error;
      }
    },

    async getRange(Key, offset, length, etag) {
      if (length === 0) return new Uint8Array(0);
      const Range = `bytes=${offset}-${offset + length - 1}`;
      try {
        const bytes = await read({ Bucket, Key, Range, IfMatch: `"${bareEtag(etag)}"` });
        if (bytes.byteLength === length) return bytes;
        throw new AppError('source_changed', { detail: 'The source is shorter than it was.' });
      } catch (error) {
        const status = statusOf(error);
        if (status === 412 || status === 404 || status === 416) {
          throw new AppError('source_changed', { cause: error });
        }
        throw error;
      }
    },

    async head(Key) {
      try {
        const abortSignal = () => AbortSignal.timeout(idleTimeoutMs);
        const answer = await retried(() =>
          client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: abortSignal() }),
        );
        return { sizeBytes: answer.ContentLength ?? 0, etag: bareEtag(answer.ETag ?? '') };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },

    async uploadPart(Key, UploadId, PartNumber, bytes) {
      // RFC 1864: R2 refuses a part that arrives otherwise than it left.
      const ContentMD5 = createHash('md5').update(bytes).digest('base64');
      const command = { Bucket, Key, UploadId, PartNumber, Body: bytes, ContentMD5 };
      try {
        const answer = await retried(() =>
          client.send(new UploadPartCommand(command), { abortSignal: putTimeout(bytes) }),
        );
        countBytes('written', bytes.byteLength);
        return bareEtag(answer.ETag ?? '');
      } catch (error) {
        if (statusOf(error) === 404) throw new AppError('upload_not_open', { cause: error });
        throw error;
      }
    },

    async putParts(Key, parts, ContentType) {
      const object = { Bucket, Key };
      // Neither moves bytes of ours, so they may take as long as a PUT of nothing.
      const inTime = () => ({ abortSignal: AbortSignal.timeout(PUT_TIMEOUT_MS) });
      const create = new CreateMultipartUploadCommand({ ...object, ContentType });
      const { UploadId } = await retried(() => client.send(create, inTime()));
      if (!UploadId) throw new TypeError('a multipart upload without an id');
      const Parts: { PartNumber: number; ETag: string }[] = [];
      let sizeBytes = 0;
      try {
        for await (const part of parts) {
          const PartNumber = Parts.length + 1;
          Parts.push({ PartNumber, ETag: await r2.uploadPart(Key, UploadId, PartNumber, part) });
          sizeBytes += part.length;
        }
        const complete = new CompleteMultipartUploadCommand({
          ...{ ...object, UploadId },
          MultipartUpload: { Parts },
        });
        await retried(() => client.send(complete, inTime()));
      } catch (error) {
        // The reply to Complete may have been lost; then the upload is gone since it is complete.
        const stored = await r2.head(Key).catch(() => undefined);
        if (sizeBytes > 0 && stored?.sizeBytes === sizeBytes) return;
        // One that is left behind R2 drops after a week.
        const abort = new AbortMultipartUploadCommand({ ...object, UploadId });
        await client.send(abort, inTime()).catch(() => undefined);
        throw error;
      }
    },

    async list(Prefix) {
      const found: { key: string; sizeBytes: number; etag: string }[] = [];
      let ContinuationToken: string | undefined;
      do {
        const command = { Bucket, Prefix, ContinuationToken };
        const page = await retried(() =>
          client.send(new ListObjectsV2Command(command), {
            abortSignal: AbortSignal.timeout(2 * idleTimeoutMs),
          }),
        );
        for (const object of page.Contents ?? []) {
          found.push({
            key: object.Key ?? '',
            sizeBytes: object.Size ?? 0,
            etag: bareEtag(object.ETag ?? ''),
          });
        }
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (ContinuationToken !== undefined);
      return found;
    },
  };
  return r2;
}

/** R2's bindings give etags bare, its S3 API in quotes. */
export function bareEtag(etag: string): string {
  return etag.replace(/^W\//, '').replaceAll('"', '');
}

function countBytes(direction: 'read' | 'written', bytes: number): void {
  meter.count('reelay_transcoder_storage_bytes_total', { direction }, bytes);
}

function countRetry(): void {
  meter.count('reelay_transcoder_retries_total', { to: 'storage' });
}

function putTimeout(bytes: Uint8Array): AbortSignal {
  return AbortSignal.timeout(PUT_TIMEOUT_MS + Math.ceil(bytes.byteLength / PUT_BYTES_PER_MS));
}

class TruncatedRead extends Error {}

function idleTimer(timeoutMs: number) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error('the read stalled')), timeoutMs);
  return { signal: controller.signal, restart: () => timer.refresh(), stop: () => clearTimeout(timer) };
}

/** HTTP status of a refusal by R2; undefined where no answer came. */
function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** Overload, our own timeouts, broken connections and short bodies; also two PUTs of one key at once (409). */
function isRetryable(error: unknown): boolean {
  if (isMistake(error)) return false;
  const status = statusOf(error);
  return (
    status === undefined ||
    status >= 500 ||
    status === 429 ||
    status === 408 ||
    status === 409 ||
    isClockOff(error) ||
    status < 300
  );
}

/** The client has read the right time from the refusal and signs with it from then on. */
function isClockOff(error: unknown): boolean {
  return (error as { name?: string }).name === 'RequestTimeTooSkewed';
}

/** Not the storage's doing. */
function isMistake(error: unknown): boolean {
  return error instanceof AppError || error instanceof TypeError || error instanceof RangeError;
}
