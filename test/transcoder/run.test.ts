import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FfmpegError } from '../../transcoder/ffmpeg/ffmpeg-error.ts';
import { type FfmpegCommand, setFfmpeg, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { SANDBOX_PATH } from '../../transcoder/ffmpeg/sandbox.ts';

const SECRET = 'secret-that-ffmpeg-must-never-see';
const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reelay-run-'));
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(() => setFfmpeg('ffmpeg'));

/** A clip that takes `seconds` of real time (`-re`) or as little as possible. */
function clip(seconds: number, pace: string[] = []): FfmpegCommand {
  const url = `testsrc2=size=160x90:rate=30:duration=${seconds}`;
  return {
    inputs: [{ options: ['-nostdin', '-v', 'error', ...pace, '-f', 'lavfi'], url }],
    filterGraph: '[0:v]format=yuv420p[v]',
    outputs: [
      {
        options: ['-map', '[v]', '-c:v', 'libx264', '-preset', 'ultrafast', '-f', 'mp4'],
        path: join(directory, 'out.mp4'),
      },
    ],
  };
}

const slow = (): FfmpegCommand => clip(600, ['-re']);

async function failureOf(done: Promise<unknown>): Promise<FfmpegError> {
  return done.then(
    () => expect.unreachable('ffmpeg succeeded'),
    (error: FfmpegError) => error,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A program that stands in for ffmpeg; `$1` and on are ffmpeg's arguments. */
async function standIn(body: string): Promise<void> {
  const path = join(directory, 'stand-in');
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  setFfmpeg(path);
}

async function pidFrom(path: string): Promise<number> {
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return Number(text);
    await delay(20);
  }
}

describe('startFfmpeg', () => {
  test('encodes, tells frames as they are made and counts CPU time', async () => {
    const frames: number[] = [];
    const run = startFfmpeg(clip(2, ['-re']), {
      directory,
      limits: LIMITS,
      onProgress: (p) => frames.push(p.frames),
    });
    const { cpuSeconds } = await run.done;
    expect(frames.at(-1)).toBe(60);
    expect(frames.length).toBeGreaterThan(1);
    expect([...frames].sort((a, b) => a - b)).toEqual(frames);
    expect(cpuSeconds).toBeGreaterThan(0);
    expect((await stat(join(directory, 'out.mp4'))).size).toBeGreaterThan(1000);
  });

  test('gives the child none of the parent’s environment but the path', async () => {
    process.env.REELAY_TEST_SECRET = SECRET;
    try {
      await standIn('env > environment');
      await startFfmpeg(clip(1), { directory, limits: LIMITS }).done;
    } finally {
      delete process.env.REELAY_TEST_SECRET;
    }
    const environment = await readFile(join(directory, 'environment'), 'utf8');
    expect(environment).not.toContain(SECRET);
    const names = environment
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names.filter((name) => name !== '_').sort()).toEqual([
      ...['HOME', 'LC_ALL', 'PATH', 'PWD', 'SVT_LOG', 'TMPDIR'],
    ]);
    expect(environment).toContain(`HOME=${directory}`);
  });

  test('hands over every argument whole, in order', async () => {
    await standIn(`printf '%s\\n' "$@" > arguments`);
    const command: FfmpegCommand = {
      inputs: [
        { options: ['-ss', '1 2'], url: 'a b.mp4' },
        { options: [], url: 'second' },
      ],
      filterGraph: '[0:v]fps=fps=30,split=2[a][b];[b]scale=1:2[c]',
      outputs: [
        { options: ['-metadata', 'title=Hello World'], path: 'one.mp4' },
        { options: ['-an'], path: 'two.mp4' },
      ],
    };
    await startFfmpeg(command, { directory, limits: LIMITS }).done;
    const given = (await readFile(join(directory, 'arguments'), 'utf8')).trim().split('\n');
    expect(given.slice(3).join('|')).toBe(
      '-ss|1 2|-i|a b.mp4|-i|second|-y|-filter_complex|[0:v]fps=fps=30,split=2[a][b];[b]scale=1:2[c]' +
        '|-metadata|title=Hello World|one.mp4|-an|two.mp4',
    );
    expect([given[0], given[2]]).toEqual(['-progress', '-nostats']);
  });

  test('rejects with the arguments, the exit code and the end of stderr', async () => {
    const command = clip(1);
    command.inputs[0]!.url = 'no_such_filter';
    const error = await failureOf(startFfmpeg(command, { directory, limits: LIMITS }).done);
    expect(error.name).toBe('FfmpegError');
    expect(error.argv).toContain('no_such_filter');
    expect(error.exitCode).toBe(1);
    expect(error.signal).toBeNull();
    expect(error.stderrTail.join('\n')).toContain('no_such_filter');
    expect([error.isTimeout, error.isAborted, error.isResources]).toEqual([false, false, false]);
  });

  test('keeps only the last 40 lines of stderr', async () => {
    await standIn('i=0; while [ $i -lt 100 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 3');
    const error = await failureOf(startFfmpeg(clip(1), { directory, limits: LIMITS }).done);
    expect(error.exitCode).toBe(3);
    expect(error.stderrTail).toHaveLength(40);
    expect(error.stderrTail.at(-1)).toBe('line 99');
  });

  test('ends the process when aborted', async () => {
    const abort = new AbortController();
    const run = startFfmpeg(slow(), {
      directory,
      limits: LIMITS,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    const error = await failureOf(run.done);
    expect(error.isAborted).toBe(true);
    expect(error.isTimeout).toBe(false);
  });

  test('ends the process when aborted before it has begun', async () => {
    const error = await failureOf(
      startFfmpeg(slow(), { directory, limits: LIMITS, signal: AbortSignal.abort() }).done,
    );
    expect(error.isAborted).toBe(true);
  });

  test('kills a process that ignores being told to end', async () => {
    await standIn(`trap '' TERM; echo $$ > stubborn; while :; do sleep 0.1; done`);
    const abort = new AbortController();
    const run = startFfmpeg(clip(1), { directory, limits: LIMITS, signal: abort.signal });
    const pid = await pidFrom(join(directory, 'stubborn'));
    abort.abort();
    const error = await failureOf(run.done);
    expect(error.signal).toBe('SIGKILL');
    expect(isAlive(pid)).toBe(false);
  });

  test('stops, continues and can be aborted while stopped', async () => {
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const run = startFfmpeg(slow(), {
      directory,
      limits: LIMITS,
      signal: abort.signal,
      onProgress: () => begun.resolve(),
    });
    await begun.promise;
    run.pause();
    run.resume();
    run.pause();
    abort.abort();
    expect((await failureOf(run.done)).isAborted).toBe(true);
  });

  test('ends a process that has had its wall time', async () => {
    const limits = { ...LIMITS, wallSeconds: 0.5 };
    const error = await failureOf(startFfmpeg(slow(), { directory, limits }).done);
    expect([error.isTimeout, error.isResources, error.isAborted]).toEqual([true, true, false]);
  });

  test('ends a process that hangs without progress, well before its wall time', async () => {
    await standIn('exec sleep 600');
    const error = await failureOf(
      startFfmpeg(clip(1), { directory, limits: LIMITS, stallSeconds: 0.5 }).done,
    );
    expect(error.isTimeout).toBe(true);
  });

  test('lets a process run on that makes progress, however long past the stall limit', async () => {
    // On a busy machine seconds pass before ffmpeg's first frame.
    await startFfmpeg(clip(8, ['-re']), { directory, limits: LIMITS, stallSeconds: 6 }).done;
  });

  test('ends a process that uses more memory than allowed', async () => {
    const limits = { wallSeconds: 60, memoryBytes: 8 * 2 ** 20 };
    const error = await failureOf(startFfmpeg(slow(), { directory, limits }).done);
    expect([error.isOutOfMemory, error.isResources, error.isTimeout]).toEqual([true, true, false]);
  });

  test('takes ffmpeg’s own word for a lack of memory', async () => {
    await standIn('echo "x264 [error]: malloc of size 9000 failed" >&2; exit 1');
    expect((await failureOf(startFfmpeg(clip(1), { directory, limits: LIMITS }).done)).isResources).toBe(
      true,
    );
    await standIn('echo "x264 [error]: something else" >&2; exit 1');
    expect((await failureOf(startFfmpeg(clip(1), { directory, limits: LIMITS }).done)).isResources).toBe(
      false,
    );
  });

  test('counts a crash as a matter of resources', async () => {
    await standIn('kill -SEGV $$');
    const error = await failureOf(startFfmpeg(clip(1), { directory, limits: LIMITS }).done);
    expect([error.signal, error.isResources]).toEqual(['SIGSEGV', true]);
  });

  test('says so when ffmpeg is missing', async () => {
    setFfmpeg('/nonexistent/ffmpeg');
    const error = await failureOf(startFfmpeg(clip(1), { directory, limits: LIMITS }).done);
    expect(error.message).toContain('could not be started');
    expect(error.message).toContain('/nonexistent/ffmpeg');
  });

  test('survives a process that cannot be spawned at all', async () => {
    const error = await failureOf(startFfmpeg(clip(1), { directory: '/nonexistent', limits: LIMITS }).done);
    expect(error.message).toContain('could not be started');
  });

  test('leaves nothing of its own in the directory', async () => {
    const own = await mkdtemp(join(directory, 'own-'));
    await startFfmpeg(clip(1), { directory: own, limits: LIMITS }).done;
    expect(await readdir(own)).toEqual([]);
  });
});

test.skipIf(process.platform !== 'linux')('ffmpeg does not outlive a parent that is killed', async () => {
  const pidPath = join(directory, 'orphan');
  const script = `require('node:child_process').spawn(process.argv[1],
    ['--tool=/bin/sh', '--', '-c', 'echo $$ > ' + process.argv[2] + '; exec sleep 600'], { stdio: 'ignore' })`;
  const parent = spawn(process.execPath, ['-e', script, SANDBOX_PATH, pidPath], { stdio: 'ignore' });
  const pid = await pidFrom(pidPath);
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});
