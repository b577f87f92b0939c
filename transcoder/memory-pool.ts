// The memory that the chunks of one machine share. A slot's share is enough up to 1080p; a larger picture takes what
// its plan needs, and waits for others to end where that is more than is left.

import type { ExtraEncoder } from '../shared/encoder.ts';
import { GIB } from '../shared/limits.ts';
import type { Plan } from '../shared/plan.ts';
import type { TaskContext } from './task-context.ts';

const HD_PIXELS = 1920 * 1088;
const UHD_PIXELS = 3840 * 2160;
const HD_BYTES = 1.2 * GIB;
const UHD_BYTES = 3 * GIB;

/** Of an encoder beside the ladder's; measured with `veryfast` at 1080p and 2160p. */
const EXTRA_BYTES_PER_PIXEL: Record<ExtraEncoder, number> = { libx265: 170, libsvtav1: 220 };

/** What one run of a chunk's ladder may come to: frames in decoder, filters and encoders grow with the pixels. */
export function memoryNeededBytes({ source, renditions }: Pick<Plan, 'source' | 'renditions'>): number {
  const pictures = [
    source.codedWidth * source.codedHeight,
    ...renditions.map(({ width, height }) => width * height),
  ];
  const beyondHd = Math.max(0, Math.max(...pictures) - HD_PIXELS) / (UHD_PIXELS - HD_PIXELS);
  const extraBytes = renditions.reduce(
    (sum, { width, height, encoder }) =>
      sum + (encoder ? width * height * EXTRA_BYTES_PER_PIXEL[encoder] : 0),
    0,
  );
  return Math.round(HD_BYTES + beyondHd * (UHD_BYTES - HD_BYTES) + extraBytes);
}

export type MemoryShare = Disposable & { bytes: number };

export type MemoryPool = {
  /**
   * What was asked for, and a slot's share at least; all of it where more is asked for than there is. First come,
   * first served, so that a large one is not passed over for ever.
   *
   * @throws the signal's reason.
   */
  take(bytes: number, signal: AbortSignal): Promise<MemoryShare>;
};

export function createMemoryPool(capacity: { slots: number; limits: { memoryBytes: number } }): MemoryPool {
  const shareBytes = capacity.limits.memoryBytes;
  const totalBytes = shareBytes * capacity.slots;
  let freeBytes = totalBytes;
  const waiting: { bytes: number; begin(): void }[] = [];
  const serve = () => {
    while (waiting[0] && waiting[0].bytes <= freeBytes) {
      const next = waiting.shift()!;
      freeBytes -= next.bytes;
      next.begin();
    }
  };
  return {
    async take(wanted, signal) {
      signal.throwIfAborted();
      const bytes = Math.min(totalBytes, Math.max(shareBytes, wanted));
      const turn = Promise.withResolvers<void>();
      const entry = { bytes, begin: turn.resolve };
      const leave = () => {
        const place = waiting.indexOf(entry);
        if (place === -1) return; // its turn has come already
        waiting.splice(place, 1);
        serve();
        turn.reject(signal.reason);
      };
      signal.addEventListener('abort', leave);
      waiting.push(entry);
      serve();
      try {
        await turn.promise;
      } finally {
        signal.removeEventListener('abort', leave);
      }
      let isHeld = true;
      return {
        bytes,
        [Symbol.dispose]() {
          if (!isHeld) return;
          isHeld = false;
          freeBytes += bytes;
          serve();
        },
      };
    },
  };
}

/** Works with as much memory as a ladder of the plan needs, when there is so much. */
export async function withMemoryFor<Result>(
  plan: Plan,
  context: TaskContext,
  work: (context: TaskContext) => Promise<Result>,
): Promise<Result> {
  if (!context.memory) return await work(context);
  using share = await context.memory.take(memoryNeededBytes(plan), context.signal);
  return await work({ ...context, limits: { ...context.limits, memoryBytes: share.bytes } });
}
