// How much one machine takes on: tasks at a time, threads and memory for each.
import { availableParallelism, totalmem } from 'node:os';
import { GIB, HOUR_SECONDS } from '../shared/limits.ts';
import type { RunLimits } from './ffmpeg/sandbox.ts';

export type Capacity = { slots: number; threads: number; limits: RunLimits };

/** A ladder up to 1080p peaks at half of it; 2160p fits where a slot gets more. */
const MEMORY_PER_SLOT_BYTES = 1.2 * GIB;
/** x264 scales well over two cores, less beyond. */
const CORES_PER_SLOT = 2;
/** Node itself: block buffers, segments on their way to R2, indexes of long files. */
const OWN_MEMORY_BYTES = 0.5 * GIB;
/** One run of ffmpeg. The slowest honest one is a 12 h source without an index, in one piece. */
const WALL_SECONDS = 48 * HOUR_SECONDS;

export function sizeCapacity(
  machine: { cores: number; memoryBytes: number },
  wishes: { slots?: number; memoryGb?: number } = {},
): Capacity {
  const { cores } = machine;
  const memoryBytes = wishes.memoryGb === undefined ? machine.memoryBytes : wishes.memoryGb * GIB;
  const fitting = Math.floor(Math.min(cores / CORES_PER_SLOT, memoryBytes / MEMORY_PER_SLOT_BYTES));
  const slots = wishes.slots ?? Math.max(1, fitting);
  return {
    slots,
    threads: Math.max(1, Math.round(cores / slots)),
    limits: {
      wallSeconds: WALL_SECONDS,
      memoryBytes: Math.max(0.5 * GIB, Math.floor((memoryBytes - OWN_MEMORY_BYTES) / slots)),
    },
  };
}

/** Cores and memory of this machine or, inside one, of its control group (libuv reads both limits). */
export function thisMachine(): { cores: number; memoryBytes: number } {
  const limitBytes = process.constrainedMemory();
  const isLimited = limitBytes > 0 && limitBytes < totalmem();
  return { cores: availableParallelism(), memoryBytes: isLimited ? limitBytes : totalmem() };
}
