// R2 with retries, and the only reader of its numeric errors. What a caller must tell apart comes back as a
// word; what is R2's own trouble becomes `storage_unavailable`.
import { AppError } from '../shared/errors.ts';

/** https://developers.cloudflare.com/r2/api/error-codes/ ; the binding ends its messages with `(code)`. */
const FAILURES: Record<number, R2Failure> = {
  10007: 'no_such_key',
  10011: 'part_too_small',
  10020: 'invalid_key', // above 1024 bytes of UTF-8
  10024: 'no_such_upload',
  10025: 'invalid_part',
  10031: 'precondition_failed',
  10037: 'bad_digest',
  10039: 'range_not_satisfiable',
  10048: 'unequal_parts',
  10001: 'unavailable',
  10043: 'unavailable',
  10058: 'unavailable', // one write per second and key
};

export type R2Failure =
  | 'no_such_key'
  | 'part_too_small'
  | 'invalid_key'
  | 'no_such_upload'
  | 'invalid_part'
  | 'precondition_failed'
  | 'bad_digest'
  | 'range_not_satisfiable'
  | 'unequal_parts'
  | 'unavailable';

/** The failure an R2 binding error stands for; undefined when the error is not R2's. */
export function r2FailureOf(error: unknown): R2Failure | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = /\((\d{5,6})\)\.?$/.exec(error.message)?.[1];
  if (code !== undefined) return FAILURES[Number(code)] ?? 'unavailable';
  // Errors without a code are the connection's: the runtime lost R2 in the middle.
  return /network connection lost|internal error|timed? ?out/i.test(error.message)
    ? 'unavailable'
    : undefined;
}

const FIRST_DELAY_MS = 100;
const ATTEMPTS = 4;

/**
 * Runs a call that may be repeated, with up to three more tries where R2 is at fault.
 *
 * @throws AppError `storage_unavailable` when R2 stays unavailable; other errors unchanged.
 */
export async function withR2Retries<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (r2FailureOf(error) !== 'unavailable') throw error;
      if (attempt === ATTEMPTS) throw storageUnavailable(error);
      await scheduler.wait(FIRST_DELAY_MS * 2 ** (attempt - 1) * (0.5 + Math.random()));
    }
  }
}

export function storageUnavailable(cause: unknown): AppError {
  return new AppError('storage_unavailable', { cause, retryAfterSeconds: 2 });
}

export function headObject(bucket: R2Bucket, key: string): Promise<R2Object | null> {
  return nothingAtInvalidKey(withR2Retries(() => bucket.head(key)));
}

/** The object, its metadata alone where a precondition of `onlyIf` failed, or null. */
export function getObject(
  bucket: R2Bucket,
  key: string,
  options: R2GetOptions = {},
): Promise<R2ObjectBody | R2Object | null> {
  return nothingAtInvalidKey(withR2Retries<R2ObjectBody | R2Object | null>(() => bucket.get(key, options)));
}

/** Where no object can be there is none. */
async function nothingAtInvalidKey<T>(looking: Promise<T | null>): Promise<T | null> {
  try {
    return await looking;
  } catch (error) {
    if (r2FailureOf(error) === 'invalid_key') return null;
    throw error;
  }
}

export function hasBody(object: R2Object | R2ObjectBody): object is R2ObjectBody {
  return 'body' in object && object.body !== null;
}

/** Aborts a multipart upload; one that is already gone counts as aborted. */
export async function abortMultipart(bucket: R2Bucket, key: string, r2UploadId: string): Promise<void> {
  try {
    await withR2Retries(() => bucket.resumeMultipartUpload(key, r2UploadId).abort());
  } catch (error) {
    if (r2FailureOf(error) !== 'no_such_upload') throw error;
  }
}

/** R2 lists and deletes at most this many keys in one call. */
const KEYS_PER_CALL = 1000;

/** Deletes everything under a prefix, at most `maxCalls` thousand keys. True when nothing is left. */
export async function deletePrefix(bucket: R2Bucket, prefix: string, maxCalls: number): Promise<boolean> {
  for (let call = 0; call < maxCalls; call++) {
    // Always the first page: what was listed before is gone by now.
    const page = await withR2Retries(() => bucket.list({ prefix, limit: KEYS_PER_CALL }));
    const keys = page.objects.map((object) => object.key);
    if (keys.length > 0) await withR2Retries(() => bucket.delete(keys));
    if (!page.truncated) return true;
  }
  return false;
}
