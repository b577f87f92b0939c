// Blocks of one remote object on disk: a file of fixed slots, reused least recently used first, so that disk
// and memory stay within the budget whatever the object's size.
import { type FileHandle, open, rm } from 'node:fs/promises';
import { MIB } from '../shared/limits.ts';

export const BLOCK_BYTES = 4 * MIB;
const MIN_SLOTS = 4;

export type BlockCache = AsyncDisposable & {
  /** Bytes from `offset`, at most to the end of its block. */
  read(offset: number, maxLength: number): Promise<Uint8Array>;
  /** Begins to fetch the block that holds `offset`; a failure shows when the block is read. */
  prefetch(offset: number): void;
};

type Block = { slot: number; readers: number; loaded: Promise<void> };

/**
 * @param fetchBlock reads `length` bytes of the object, exactly or not at all.
 */
export async function createBlockCache(options: {
  path: string;
  sizeBytes: number;
  budgetBytes: number;
  blockBytes?: number;
  fetchBlock: (offset: number, length: number) => Promise<Uint8Array>;
}): Promise<BlockCache> {
  const { path, sizeBytes, budgetBytes, blockBytes = BLOCK_BYTES } = options;
  const slotCount = Math.max(MIN_SLOTS, Math.floor(budgetBytes / blockBytes));
  const file = await open(path, 'w+', 0o600);
  // A Map keeps the order of insertion: the first entry is the least recently used.
  const blocks = new Map<number, Block>();
  const freeSlots: number[] = [];
  const waiting: (() => void)[] = [];
  let usedSlots = 0;

  /** The block, loaded or loading, marked as just used and pinned until `release`. */
  const acquire = async (index: number): Promise<Block> => {
    for (;;) {
      const held = blocks.get(index);
      if (held) {
        blocks.delete(index);
        blocks.set(index, held);
        held.readers += 1;
        return held;
      }
      const slot = takeSlot();
      if (slot !== undefined) {
        const block: Block = { slot, readers: 1, loaded: load(index, slot) };
        blocks.set(index, block);
        return block;
      }
      await new Promise<void>((resolve) => waiting.push(resolve)); // every slot is being read right now
    }
  };

  const takeSlot = (): number | undefined => {
    if (freeSlots.length > 0) return freeSlots.pop();
    if (usedSlots < slotCount) return usedSlots++;
    for (const [index, block] of blocks) {
      if (block.readers > 0) continue;
      blocks.delete(index);
      return block.slot;
    }
    return undefined;
  };

  const load = async (index: number, slot: number): Promise<void> => {
    const start = index * blockBytes;
    const bytes = await options.fetchBlock(start, Math.min(blockBytes, sizeBytes - start));
    await writeFully(file, bytes, slot * blockBytes);
  };

  const release = (index: number, block: Block, isFailed: boolean) => {
    block.readers -= 1;
    if (isFailed && blocks.get(index) === block) blocks.delete(index); // the next reader fetches again
    if (isFailed && block.readers === 0) freeSlots.push(block.slot);
    waiting.shift()?.();
  };

  const use = async <T>(index: number, action: (block: Block) => Promise<T>): Promise<T> => {
    const block = await acquire(index);
    let isFailed = true;
    try {
      await block.loaded;
      isFailed = false;
      return await action(block);
    } finally {
      release(index, block, isFailed);
    }
  };

  const loading = new Set<Promise<void>>();

  return {
    read(offset, maxLength) {
      const index = Math.floor(offset / blockBytes);
      const within = offset - index * blockBytes;
      const length = Math.min(maxLength, blockBytes - within, sizeBytes - offset);
      return use(index, async (block) => {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await file.read(bytes, 0, length, block.slot * blockBytes + within);
        if (bytesRead !== length) throw new Error('the block cache lost bytes');
        return bytes;
      });
    },

    prefetch(offset) {
      const index = Math.floor(offset / blockBytes);
      if (offset >= sizeBytes || blocks.has(index)) return;
      const fetching = use(index, async () => undefined).catch(() => undefined);
      loading.add(fetching);
      void fetching.finally(() => loading.delete(fetching));
    },

    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...loading, ...[...blocks.values()].map((block) => block.loaded)]);
      await file.close();
      await rm(path, { force: true });
    },
  };
}

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
