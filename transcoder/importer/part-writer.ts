// From a stream of bytes to equal parts in R2: while one part is on its way to storage the next one fills. Two
// parts are in memory at most.

export type PartWriter = {
  /** Bytes taken so far, stored or not. */
  readonly receivedBytes: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Stores what is left as the last part; resolves when everything is durable. */
  finish(): Promise<void>;
  /** Waits for the part under way, whatever becomes of it. */
  settle(): Promise<void>;
};

export function createPartWriter(options: {
  partSizeBytes: number;
  /** Whole parts that are durable already. */
  partsStored: number;
  /** Makes a part durable; called for one part at a time, in order, numbers from 1. */
  store(number: number, bytes: Uint8Array): Promise<void>;
}): PartWriter {
  const { partSizeBytes, store } = options;
  let partsFilled = options.partsStored;
  let receivedBytes = partsFilled * partSizeBytes;
  let part: Buffer | undefined;
  let filled = 0;
  let storing: Promise<void> = Promise.resolve();

  const flush = async () => {
    if (!part || filled === 0) return;
    const bytes = part.subarray(0, filled);
    const number = partsFilled + 1;
    await storing;
    partsFilled = number;
    part = undefined;
    filled = 0;
    storing = store(number, bytes);
    // Heard of at the next part or at the end; until then it is no unhandled rejection.
    storing.catch(() => undefined);
  };

  return {
    get receivedBytes() {
      return receivedBytes;
    },
    async write(bytes) {
      for (let taken = 0; taken < bytes.length; ) {
        part ??= Buffer.allocUnsafe(partSizeBytes);
        const count = Math.min(bytes.length - taken, partSizeBytes - filled);
        part.set(bytes.subarray(taken, taken + count), filled);
        filled += count;
        taken += count;
        receivedBytes += count;
        if (filled === partSizeBytes) await flush();
      }
    },
    async finish() {
      await flush();
      await storing;
    },
    settle: () => storing.catch(() => undefined),
  };
}
