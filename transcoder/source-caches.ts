// One block cache per source in a process, whatever the number of tasks that read it: the tasks of a job come one
// after another and side by side, and each byte of their source is to cross the network once. A cache outlives the
// task that opened it by a little while, since the next task of the job is about to be claimed.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { GIB, MINUTE_SECONDS, SECOND_MS } from '../shared/limits.ts';
import { BLOCK_BYTES, type BlockCache, createBlockCache } from './block-cache.ts';
import type { R2 } from './r2.ts';

export type SourceObject = { key: string; etag: string; sizeBytes: number };

/** One task's hold on the cache of its source. Disposing of it gives the hold back, not the blocks. */
export type CacheLease = AsyncDisposable & {
  read(offset: number, maxLength: number): Promise<Uint8Array>;
  prefetch(offset: number): void;
  /** Why a block that this task wanted could not be had, unless it has been since. */
  readonly failure: unknown;
};

export type SourceCaches = AsyncDisposable & {
  open(r2: R2, source: SourceObject): Promise<CacheLease>;
  /** Blocks fetched from storage so far, over all sources. */
  readonly fetches: number;
};

export type SourceCachesOptions = {
  /** Emptied by its owner: what a killed process left there is not looked at. */
  directory: string;
  /** Disk for one source. */
  cacheBytes?: number;
  /** Sources that may have a cache at a time: as many as tasks run at a time. More only while more are being read. */
  maxCaches?: number;
  /** How long a cache that nobody holds is kept. */
  idleMs?: number;
};

type Entry = {
  cache: Promise<BlockCache>;
  access: { r2: R2 };
  holders: number;
  idle: NodeJS.Timeout | undefined;
};

const DEFAULT_CACHE_BYTES = 2 * GIB;
/** From the end of a task to the claim of its job's next one it is seconds, unless other jobs come first. */
const DEFAULT_IDLE_MS = MINUTE_SECONDS * SECOND_MS;

export function createSourceCaches(options: SourceCachesOptions): SourceCaches {
  const { directory, cacheBytes = DEFAULT_CACHE_BYTES, maxCaches = 1, idleMs = DEFAULT_IDLE_MS } = options;
  // A Map keeps the order of insertion; an entry moves to its end when it is left, so that the first idle one is the
  // one left longest ago.
  const entries = new Map<string, Entry>();
  const closing = new Set<Promise<void>>();
  let fetches = 0;

  const create = (r2: R2, source: SourceObject): Entry => {
    // The newest holder's access is the one in use: an older one's may have expired.
    const access = { r2 };
    const cache = createBlockCache({
      path: join(directory, `source-${randomUUID()}.cache`),
      sizeBytes: source.sizeBytes,
      budgetBytes: Math.min(cacheBytes, source.sizeBytes + BLOCK_BYTES),
      fetchBlock(offset, length) {
        fetches += 1;
        return access.r2.getRange(source.key, offset, length, source.etag);
      },
    });
    return { cache, access, holders: 0, idle: undefined };
  };

  const drop = (name: string, entry: Entry): void => {
    clearTimeout(entry.idle);
    if (entries.get(name) === entry) entries.delete(name);
    const closed = entry.cache.then((cache) => cache[Symbol.asyncDispose]()).catch(() => undefined);
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  };

  /** Keeps to the disk budget: idle caches make room, the one left longest ago first. */
  const makeRoom = async (): Promise<void> => {
    for (const [name, entry] of entries) {
      if (entries.size < maxCaches) break;
      if (entry.holders === 0) drop(name, entry);
    }
    await Promise.all(closing);
  };

  const leave = (name: string, entry: Entry, sizeBytes: number): Promise<unknown> => {
    entry.holders -= 1;
    if (entry.holders > 0) return Promise.resolve();
    // A source that is still to be imported has no bytes worth keeping.
    if (sizeBytes === 0 || entries.size > maxCaches) drop(name, entry);
    else {
      entries.delete(name);
      entries.set(name, entry);
      entry.idle = setTimeout(() => drop(name, entry), idleMs).unref();
    }
    return Promise.all(closing);
  };

  return {
    get fetches() {
      return fetches;
    },

    async open(r2, source) {
      const name = `${source.key}\n${source.etag}`;
      if (!entries.has(name)) await makeRoom();
      const entry = entries.get(name) ?? create(r2, source);
      entries.set(name, entry);
      entry.access.r2 = r2;
      entry.holders += 1;
      clearTimeout(entry.idle);
      let cache: BlockCache;
      try {
        cache = await entry.cache;
      } catch (error) {
        drop(name, entry); // no file could be made: the next task tries again
        throw error;
      }
      return leaseOf(cache, () => leave(name, entry, source.sizeBytes));
    },

    async [Symbol.asyncDispose]() {
      for (const [name, entry] of entries) drop(name, entry);
      await Promise.all(closing);
    },
  };
}

/** What other tasks could not read is not this one's failure. */
function leaseOf(cache: BlockCache, leave: () => Promise<unknown>): CacheLease {
  const failures = new Map<number, unknown>();
  let isLeft = false;
  return {
    get failure() {
      return failures.values().next().value;
    },
    async read(offset, maxLength) {
      const block = Math.floor(offset / BLOCK_BYTES);
      try {
        const bytes = await cache.read(offset, maxLength);
        failures.delete(block);
        return bytes;
      } catch (error) {
        failures.set(block, error);
        throw error;
      }
    },
    prefetch: (offset) => cache.prefetch(offset),
    async [Symbol.asyncDispose]() {
      if (isLeft) return;
      isLeft = true;
      await leave();
    },
  };
}
