// Looks at a running ffmpeg a few times a second: progress, CPU time, memory, and whether it has had its time.
import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { KIB, MIB } from '../../shared/limits.ts';
import { type FfmpegProgress, readProgress } from './progress.ts';
import type { RunLimits } from './sandbox.ts';

const LOOK_INTERVAL_MS = 250;

/** ffmpeg that writes nothing for this long hangs. A seek far into a large file stays well below it. */
const STALL_SECONDS = 120;

/** USER_HZ, which Linux reports in /proc on every architecture Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/** `detail` says what was passed and by how much: "ran for 31 s; 30 s are allowed". */
export type Breach = { kind: 'time' | 'memory'; detail: string };

export type Watch = {
  isPaused: boolean;
  /** As last seen; up to one look short of the truth, 0 where there is no /proc. */
  cpuSeconds: number;
  stop(): Promise<void>;
};

export function watchProcess(options: {
  pid: number;
  progressPath: string;
  limits: RunLimits;
  stallSeconds?: number;
  onProgress?: (progress: FfmpegProgress) => void;
  onBreach: (breach: Breach) => void;
}): Watch {
  const { limits, stallSeconds = STALL_SECONDS } = options;
  const usageOfProcess = new ProcessUsage(options.pid);
  let progressFile: FileHandle | undefined;
  let latest: FfmpegProgress | undefined;
  // Paused time counts for nothing: it is the reader who is slow then, not ffmpeg.
  let activeMs = 0;
  let progressAtMs = 0;
  let lookedAtMs = performance.now();

  const look = async () => {
    const nowMs = performance.now();
    if (!watch.isPaused) activeMs += nowMs - lookedAtMs;
    lookedAtMs = nowMs;

    const usage = usageOfProcess.read();
    if (usage) watch.cpuSeconds = usage.cpuSeconds;

    progressFile ??= await open(options.progressPath).catch(() => undefined); // not there before ffmpeg opens it
    const seen = progressFile && (await readProgress(progressFile));
    if (seen && (seen.frames !== latest?.frames || seen.outSeconds !== latest.outSeconds)) {
      latest = seen;
      progressAtMs = activeMs;
      options.onProgress?.(seen);
    }
    if (usage && usage.residentBytes > limits.memoryBytes)
      options.onBreach(tooLarge(usage.residentBytes, limits));
    const stoodSeconds = (activeMs - progressAtMs) / 1000;
    if (activeMs > limits.wallSeconds * 1000) options.onBreach(tooLong(activeMs / 1000, limits));
    if (stoodSeconds > stallSeconds) options.onBreach(stoodStill(stoodSeconds, stallSeconds));
  };

  let current: Promise<void> = Promise.resolve();
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    current = look().finally(() => {
      isLooking = false;
    });
    const blind: Breach = { kind: 'time', detail: 'could not be watched' };
    current.catch(() => options.onBreach(blind)); // a watch that cannot look must not let ffmpeg run unseen
  }, LOOK_INTERVAL_MS);

  const watch: Watch = {
    isPaused: false,
    cpuSeconds: 0,
    async stop() {
      clearInterval(timer);
      await current.catch(() => undefined);
      usageOfProcess.close();
      // The last block comes right before the end, seldom in time for a look.
      const last = progressFile ? await readProgress(progressFile) : await readOnce(options.progressPath);
      if (last && last.frames !== latest?.frames) options.onProgress?.(last);
      await progressFile?.close();
    },
  };
  return watch;
}

export function tooLong(seconds: number, { wallSeconds }: RunLimits): Breach {
  return { kind: 'time', detail: `ran for ${inSeconds(seconds)}; ${inSeconds(wallSeconds)} are allowed` };
}

function stoodStill(seconds: number, stallSeconds: number): Breach {
  const detail = `made no progress for ${inSeconds(seconds)}; ${inSeconds(stallSeconds)} are allowed`;
  return { kind: 'time', detail };
}

function tooLarge(residentBytes: number, { memoryBytes }: RunLimits): Breach {
  const mib = (bytes: number) => `${Math.ceil(bytes / MIB)} MiB`;
  return { kind: 'memory', detail: `used ${mib(residentBytes)} of memory; ${mib(memoryBytes)} are allowed` };
}

function inSeconds(seconds: number): string {
  return `${Number(seconds.toFixed(1))} s`;
}

async function readOnce(path: string): Promise<FfmpegProgress | undefined> {
  const file = await open(path).catch(() => undefined);
  if (!file) return undefined;
  try {
    return await readProgress(file);
  } finally {
    await file.close();
  }
}

/** Reads of procfs never wait for a disk, so the quickest way to read them is the synchronous one, by a file kept open. */
class ProcessUsage {
  readonly #pid: number;
  readonly #bytes = Buffer.alloc(4 * KIB);
  readonly #descriptors = new Map<string, number>();

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Undefined where the process has ended, and where there is no /proc. */
  read(): { cpuSeconds: number; residentBytes: number } | undefined {
    try {
      const stat = this.#text('stat');
      // proc(5): the command in parentheses may hold spaces, so fields are counted after the last `)`.
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const ticks = (fields[11] ?? 0) + (fields[12] ?? 0);
      const residentKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(this.#text('status'))?.[1] ?? 0);
      return { cpuSeconds: ticks / CLOCK_TICKS_PER_SECOND, residentBytes: residentKib * KIB };
    } catch {
      return undefined;
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  #text(name: string): string {
    const descriptor = this.#descriptors.get(name) ?? openSync(`/proc/${this.#pid}/${name}`, 'r');
    this.#descriptors.set(name, descriptor);
    return this.#bytes.toString('latin1', 0, readSync(descriptor, this.#bytes, 0, this.#bytes.length, 0));
  }
}
