// The only spawner of ffmpeg and ffprobe. fluent-ffmpeg is the process layer and is known here alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import fluent from 'fluent-ffmpeg';
import { MIB } from '../../shared/limits.ts';
import { countFfmpegExit, meter } from '../metrics.ts';
import { FfmpegError, STDERR_TAIL_LINES } from './ffmpeg-error.ts';
import type { FfmpegProgress } from './progress.ts';
import { type RunLimits, SANDBOX_PATH, sandboxArguments } from './sandbox.ts';
import { type Breach, tooLong, type Watch, watchProcess } from './watch.ts';

export { FfmpegError } from './ffmpeg-error.ts';
export type { RunLimits } from './sandbox.ts';

export type FfmpegCommand = {
  inputs: { options: string[]; url: string }[];
  filterGraph?: string;
  outputs: { options: string[]; path: string }[];
  /** A GPU's driver maps the address space by the terabyte, so that no limit may be set on it. */
  usesGpu?: boolean;
};

/** `complaints` are its last words, of which a run that succeeds has some where its input is damaged. */
export type FfmpegResult = { cpuSeconds: number; complaints: string[] };

export type FfmpegHandle = {
  /** Rejects with {@link FfmpegError}, also when aborted. */
  done: Promise<FfmpegResult>;
  /** Stops the process where it is (SIGSTOP); paused time counts against no limit. */
  pause(): void;
  resume(): void;
};

export type FfmpegOptions = {
  /** The task's directory: ffmpeg's working directory and home. */
  directory: string;
  limits: RunLimits;
  signal?: AbortSignal;
  onProgress?: (progress: FfmpegProgress) => void;
  /** Longest time without progress; for tests. */
  stallSeconds?: number;
};

/** From a polite SIGTERM to SIGKILL. */
const KILL_GRACE_MS = 2000;
/** ffprobe prints kilobytes; a hostile file must not make it print gigabytes into our memory. */
const MAX_PROBE_OUTPUT_BYTES = 16 * MIB;

const tools = { ffmpeg: 'ffmpeg', ffprobe: 'ffprobe' };

/** Chooses the binary, once, at start; ffprobe is its sibling. Without this both come from the PATH. */
export function setFfmpeg(ffmpegPath: string): void {
  tools.ffmpeg = ffmpegPath;
  tools.ffprobe = ffmpegPath.includes('/') ? join(dirname(ffmpegPath), 'ffprobe') : 'ffprobe';
}

export function startFfmpeg(command: FfmpegCommand, options: FfmpegOptions): FfmpegHandle {
  const progressPath = join(options.directory, `progress-${randomUUID()}`);
  const run = fluentCommand(command, options, progressPath);
  let watch: Watch | undefined;
  let isPaused = false;
  let breach: Breach | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<FfmpegResult>();

  const kill = killer((signal) => run.kill(signal));
  const finish = async (cause: unknown, child: ChildProcess | undefined, stderr: string) => {
    kill.settled();
    options.signal?.removeEventListener('abort', kill.gently);
    await watch?.stop();
    await rm(progressPath, { force: true });
    const isFailed = cause !== undefined || child?.exitCode !== 0;
    const cpuSeconds = watch?.cpuSeconds ?? 0;
    if (!isFailed) {
      countFfmpegExit('ffmpeg');
      meter.count('reelay_transcoder_ffmpeg_cpu_seconds_total', {}, cpuSeconds);
      return { cpuSeconds, complaints: tailOf(stderr) };
    }
    const error = new FfmpegError(
      'ffmpeg',
      {
        argv: child?.spawnargs ?? [],
        exitCode: child?.exitCode ?? null,
        signal: child?.signalCode ?? null,
        stderrTail: tailOf(stderr),
        isTimeout: breach?.kind === 'time',
        isOutOfMemory: breach?.kind === 'memory',
        isAborted: options.signal?.aborted === true && breach === undefined,
        breach: breach?.detail,
      },
      child?.pid === undefined ? cause : undefined,
    );
    countFfmpegExit('ffmpeg', error);
    throw error;
  };

  const setPaused = (value: boolean) => {
    isPaused = value;
    if (watch) watch.isPaused = value;
    run.kill(value ? 'SIGSTOP' : 'SIGCONT');
  };
  const handle = { done: promise, pause: () => setPaused(true), resume: () => setPaused(false) };

  let child: ChildProcess | undefined;
  run.once('start', () => {
    // fluent keeps the child in this member between `start` and the end; its types do not say so.
    child = (run as unknown as { ffmpegProc: ChildProcess }).ffmpegProc;
    // Its own listener dereferences undefined when the process cannot be spawned at all.
    child.removeAllListeners('error');
    child.once('error', (error) => finish(error, child, '').then(resolve, reject));
    if (child.pid === undefined) return;
    watch = watchProcess({
      ...options,
      pid: child.pid,
      progressPath,
      onBreach: (found) => {
        breach ??= found;
        kill.gently();
      },
    });
    if (isPaused) handle.pause();
    // Before this there is nothing to signal.
    options.signal?.addEventListener('abort', kill.gently);
    if (options.signal?.aborted) kill.gently();
  });
  run.once('end', (_stdout, stderr) => finish(undefined, child, stderr ?? '').then(resolve, reject));
  run.once('error', (error, _stdout, stderr) => finish(error, child, stderr ?? '').then(resolve, reject));

  run.run();
  // A stage may be busy reading segments when ffmpeg fails; it meets the rejection when it awaits `done`.
  promise.catch(() => undefined);

  return handle;
}

export type ProbeRun = {
  directory: string;
  limits: RunLimits;
  signal?: AbortSignal;
  /** Takes the standard output as it comes, for what may be too long to hold; the answer is then empty. */
  onOutput?: (output: Buffer) => void;
};

/** ffprobe's standard output. Rejects with {@link FfmpegError}. */
export function runFfprobe(options: string[], url: string, run: ProbeRun): Promise<string> {
  return capture('ffprobe', [...options, url], run);
}

/** What `ffmpeg -version` prints: version, build flags, library versions. */
export function ffmpegVersion(): Promise<string> {
  return capture('ffmpeg', ['-version'], {
    directory: '/',
    limits: { wallSeconds: 15, memoryBytes: 2 ** 30 },
  });
}

function fluentCommand(command: FfmpegCommand, options: FfmpegOptions, progressPath: string) {
  if (command.inputs.length === 0) throw new TypeError('a command needs an input; the sandbox rides on it');
  // Two more: fluent counts the unfinished line, and keeps one less than it is told.
  const run = fluent({
    stdoutLines: STDERR_TAIL_LINES + 2,
    cwd: options.directory,
  } as fluent.FfmpegCommandOptions);
  run.setFfmpegPath(SANDBOX_PATH);
  // fluent asks ffmpeg for all its formats and encoders before every first command, only to check names that
  // args.ts takes from fixed lists.
  Object.assign(run, {
    _checkCapabilities: (done: (error: null) => void) => done(null),
    availableEncoders: (done: (error: null, encoders: object) => void) => done(null, {}),
  });
  // Arguments before the first `-i` are the first that fluent prints, hence the sandbox's place.
  const leading = [
    ...sandboxArguments(tools.ffmpeg, options.limits, availableParallelism(), command),
    '-progress',
    progressPath,
    '-nostats',
  ];
  command.inputs.forEach((input, index) => {
    run.input(input.url);
    const list = index === 0 ? [...leading, ...input.options] : input.options;
    if (list.length > 0) run.inputOptions(...whole(list));
  });
  if (command.filterGraph) run.complexFilter(command.filterGraph);
  for (const output of command.outputs) {
    run.output(output.path);
    if (output.options.length > 0) run.outputOptions(...whole(output.options));
  }
  return run;
}

/** fluent splits a single option at its space; two or more it takes as they are. */
function whole(options: string[]): string[] {
  if (options.length === 1 && options[0]?.includes(' ')) {
    throw new TypeError('a lone option with a space would be split');
  }
  return options;
}

function capture(tool: 'ffmpeg' | 'ffprobe', args: string[], run: ProbeRun): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const argv = [...sandboxArguments(tools[tool], run.limits, availableParallelism()), ...args];
  const child = spawn(SANDBOX_PATH, argv, { cwd: run.directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  const startedAtMs = performance.now();
  let isTimeout = false;

  const kill = killer((signal) => child.kill(signal));
  const timer = setTimeout(() => {
    isTimeout = true;
    kill.gently();
  }, run.limits.wallSeconds * 1000);
  run.signal?.addEventListener('abort', kill.gently);
  if (run.signal?.aborted) kill.gently();

  child.stdout.on('data', (data: Buffer) => {
    if (run.onOutput) return run.onOutput(data);
    stdoutBytes += data.length;
    if (stdoutBytes > MAX_PROBE_OUTPUT_BYTES) kill.gently();
    else stdout.push(data);
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr = tailOf(stderr + data.toString('utf8')).join('\n');
  });
  const settle = (exitCode: number | null, signal: NodeJS.Signals | null, cause?: unknown) => {
    clearTimeout(timer);
    kill.settled();
    run.signal?.removeEventListener('abort', kill.gently);
    if (exitCode === 0) {
      countFfmpegExit(tool);
      return resolve(Buffer.concat(stdout).toString('utf8'));
    }
    const isAborted = run.signal?.aborted === true && !isTimeout;
    const stderrTail = tailOf(stderr);
    const isOutOfMemory = stdoutBytes > MAX_PROBE_OUTPUT_BYTES;
    const breach = isTimeout
      ? tooLong((performance.now() - startedAtMs) / 1000, run.limits).detail
      : isOutOfMemory
        ? `printed ${stdoutBytes} bytes; ${MAX_PROBE_OUTPUT_BYTES} are allowed`
        : undefined;
    const outcome = { argv, exitCode, signal, stderrTail, isTimeout, isOutOfMemory, isAborted, breach };
    const error = new FfmpegError(tool, outcome, cause);
    countFfmpegExit(tool, error);
    reject(error);
  };
  child.once('error', (error) => settle(null, null, error));
  child.once('close', (exitCode, signal) => settle(exitCode, signal));
  return promise;
}

/** SIGTERM, then SIGKILL; a stopped process is woken, or it would not see the first. */
function killer(send: (signal: NodeJS.Signals) => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    gently() {
      if (timer) return;
      send('SIGTERM');
      send('SIGCONT');
      timer = setTimeout(() => send('SIGKILL'), KILL_GRACE_MS);
    },
    settled() {
      clearTimeout(timer);
    },
  };
}

function tailOf(stderr: string): string[] {
  const lines = stderr.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.slice(-STDERR_TAIL_LINES);
}
