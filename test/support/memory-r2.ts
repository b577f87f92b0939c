// R2 in memory, for tests of what is written rather than of the storage: write-once puts and whole reads.
import { AppError } from '../../shared/errors.ts';
import type { R2 } from '../../transcoder/r2.ts';

export type MemoryR2 = R2 & {
  objects: Map<string, Uint8Array>;
  /** Keys in the order they were stored. */
  written: string[];
};

export function createMemoryR2(objects = new Map<string, Uint8Array>()): MemoryR2 {
  const written: string[] = [];
  const get = async (key: string) => {
    const bytes = objects.get(key);
    if (!bytes) throw new AppError('not_found', { detail: `There is no ${key}.` });
    return bytes;
  };
  return {
    objects,
    written,
    get,
    async putOnce(key, bytes) {
      if (objects.has(key)) return 'exists';
      objects.set(key, bytes.slice());
      written.push(key);
      return 'stored';
    },
    getRange: async (key, offset, length) => (await get(key)).slice(offset, offset + length),
    async head(key) {
      const bytes = objects.get(key);
      return bytes && { sizeBytes: bytes.length, etag: String(bytes.length) };
    },
    list: async (prefix) =>
      [...objects].flatMap(([key, bytes]) =>
        key.startsWith(prefix) ? [{ key, sizeBytes: bytes.length, etag: String(bytes.length) }] : [],
      ),
  };
}
