// Where media lies: R2, and the edge cache in front of it.
import { AppError } from '../../shared/errors.ts';
import { storageUnavailable, withR2Retries } from '../r2.ts';

export type MediaStore = {
  bucket: R2Bucket;
  cache: Cache;
  /** How long the edge keeps what it reads now. */
  ttlSeconds: number;
  waitUntil(work: Promise<unknown>): void;
};

/** A URL of no real host: entries never mix with what the platform caches for our own. */
export function cacheKeyOf(key: string): string {
  return `https://media.reelay.internal/${key}`;
}

/** Whatever R2 throws while it is read is storage trouble to a player, which then tries again. */
export async function fromStorage<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await withR2Retries(read);
  } catch (error) {
    throw error instanceof AppError ? error : storageUnavailable(error);
  }
}
