// R2 in memory, with faults on demand.
import { AppError } from '../../shared/errors.ts';
import type { R2 } from '../../transcoder/r2.ts';

export type MemoryR2 = R2 & {
  objects: Map<string, Uint8Array>;
  /** Parts of multipart uploads, by key and upload id, then by number. */
  parts: Map<string, Map<number, Uint8Array>>;
  failPart: ((number: number) => Error | undefined) | undefined;
  /** Offsets of ranged reads, in order. */
  reads: number[];
  failWhen: ((offset: number) => Error | undefined) | undefined;
};

export function memoryR2(objects: Record<string, Uint8Array> = {}): MemoryR2 {
  const stored = new Map(Object.entries(objects));
  const need = (key: string) => {
    const bytes = stored.get(key);
    if (!bytes) throw new AppError('not_found', { detail: `There is no ${key}.` });
    return bytes;
  };
  return {
    objects: stored,
    parts: new Map(),
    failPart: undefined,
    reads: [],
    failWhen: undefined,
    async putOnce(key, bytes) {
      if (stored.has(key)) return 'exists';
      stored.set(key, bytes.slice());
      return 'stored';
    },
    async get(key) {
      return need(key);
    },
    async getRange(key, offset, length) {
      this.reads.push(offset);
      const failure = this.failWhen?.(offset);
      if (failure) throw failure;
      return need(key).subarray(offset, offset + length);
    },
    async head(key) {
      const bytes = stored.get(key);
      return bytes && { sizeBytes: bytes.length, etag: 'etag' };
    },
    async uploadPart(key, r2UploadId, number, bytes) {
      const failure = this.failPart?.(number);
      if (failure) throw failure;
      const name = `${key} ${r2UploadId}`;
      this.parts.set(name, (this.parts.get(name) ?? new Map()).set(number, bytes.slice()));
      return `etag-${number}`;
    },
    async putParts(key, parts) {
      const taken: Uint8Array[] = [];
      for await (const part of parts) taken.push(part.slice());
      stored.set(key, Buffer.concat(taken));
    },
    async list(prefix) {
      return [...stored]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, bytes]) => ({ key, sizeBytes: bytes.length, etag: 'etag' }));
    },
  };
}
