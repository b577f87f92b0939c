// What a failed run of ffmpeg or ffprobe leaves behind.

export const STDERR_TAIL_LINES = 40;

export type RunOutcome = {
  argv: string[];
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stderrTail: string[];
  /** Killed by the runner for the wall limit, or for making no progress. */
  isTimeout: boolean;
  /** Killed by the runner, by the kernel, or stopped by itself for want of memory. */
  isOutOfMemory: boolean;
  isAborted: boolean;
  /** Which of the runner's limits was passed, and by how much, as a sentence without its subject. */
  breach?: string | undefined;
};

const MEMORY_COMPLAINT =
  /Cannot allocate memory|malloc of size \d+ failed|Out of memory|failed to map segment/i;

// What a shell and env answer for a program that is missing or may not be executed.
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** argv may hold a loopback URL that dies with the task, never credentials. */
export class FfmpegError extends Error {
  readonly argv: string[];
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderrTail: string[];
  readonly isTimeout: boolean;
  readonly isOutOfMemory: boolean;
  readonly isAborted: boolean;
  readonly breach: string | undefined;

  constructor(tool: string, outcome: RunOutcome, cause?: unknown) {
    super(describe(tool, outcome, cause), cause === undefined ? undefined : { cause });
    this.name = 'FfmpegError';
    this.argv = outcome.argv;
    this.exitCode = outcome.exitCode;
    this.signal = outcome.signal;
    this.stderrTail = outcome.stderrTail;
    this.isTimeout = outcome.isTimeout;
    this.isOutOfMemory =
      outcome.isOutOfMemory || outcome.stderrTail.some((line) => MEMORY_COMPLAINT.test(line));
    this.isAborted = outcome.isAborted;
    this.breach = outcome.breach;
  }

  /** Time, memory or a crash: the machine's limits or a bug, not necessarily the file. */
  get isResources(): boolean {
    return this.isTimeout || this.isOutOfMemory || this.signal !== null;
  }
}

function describe(tool: string, outcome: RunOutcome, cause: unknown): string {
  const { exitCode, signal, stderrTail } = outcome;
  if (outcome.isAborted) return `${tool} was aborted`;
  if (outcome.breach) return `${tool} ${outcome.breach}`;
  if (cause instanceof Error) return `${tool} could not be started: ${cause.message}`;
  if (exitCode === NOT_FOUND || exitCode === NOT_EXECUTABLE) {
    return `${tool} could not be started; is it installed? ${stderrTail.at(-1) ?? ''}`.trim();
  }
  const end = signal ? `was killed by ${signal}` : `exited with code ${exitCode}`;
  const words = stderrTail.filter((line) => line.trim() !== '').at(-1);
  return words ? `${tool} ${end}: ${words}` : `${tool} ${end}`;
}
