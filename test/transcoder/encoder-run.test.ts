import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { runEncoder } from '../../transcoder/encoder-run.ts';
import { FfmpegError } from '../../transcoder/ffmpeg/ffmpeg-error.ts';
import { type FfmpegResult, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';

// The encoder is played by the test: what it does when is the point here, and timing must decide nothing.
vi.mock('../../transcoder/ffmpeg/run.ts', () => ({ startFfmpeg: vi.fn() }));

const COMMAND = { inputs: [], outputs: [] };
let encoder: { calls: string[]; end(error?: unknown): void; signal: AbortSignal };

beforeEach(() => {
  vi.mocked(startFfmpeg).mockImplementation((_command, { signal }) => {
    const done = Promise.withResolvers<FfmpegResult>();
    const calls: string[] = [];
    const end = (error?: unknown) =>
      error ? done.reject(error) : done.resolve({ cpuSeconds: 0, complaints: [] });
    encoder = { calls, end, signal: signal! };
    signal?.addEventListener('abort', () => end(failure({ isAborted: true })));
    return { done: done.promise, pause: () => calls.push('pause'), resume: () => calls.push('resume') };
  });
});
afterEach(() => vi.restoreAllMocks());

function failure(change: Partial<ConstructorParameters<typeof FfmpegError>[1]>): FfmpegError {
  const outcome = { argv: [], exitCode: 1, signal: null, stderrTail: [] };
  return new FfmpegError('ffmpeg', {
    ...outcome,
    ...{ isTimeout: false, isOutOfMemory: false, isAborted: false },
    ...change,
  });
}

function contextWith(signal = new AbortController().signal, source: object = {}): TaskContext {
  return { signal, source, scratch: { directory: '/' }, limits: {} } as unknown as TaskContext;
}

async function* segments(count: number): AsyncGenerator<number> {
  for (let index = 0; index < count; index++) yield index;
}

describe('storing while the encoder runs', () => {
  test('pauses it when two segments wait, and resumes it when one has been stored', async () => {
    const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const stored: number[] = [];
    const running = runEncoder(contextWith(), COMMAND, {
      segments: () => segments(3),
      async store(segment: number) {
        await gates[segment]!.promise;
        stored.push(segment);
      },
    });
    await vi.waitFor(() => expect(encoder.calls).toEqual(['pause', 'pause']));
    gates[0]!.resolve();
    await vi.waitFor(() => expect(stored).toEqual([0]));
    expect(encoder.calls).toEqual(['pause', 'pause']); // two still wait
    gates[1]!.resolve();
    await vi.waitFor(() => expect(encoder.calls).toEqual(['pause', 'pause', 'resume']));
    gates[2]!.resolve();
    encoder.end();
    await running;
    expect(stored).toEqual([0, 1, 2]);
  });

  test('stops the encoder with the first failure to store, and stores nothing after it', async () => {
    const stored: number[] = [];
    const running = runEncoder(contextWith(), COMMAND, {
      segments: () => segments(3),
      async store(segment: number) {
        if (segment === 1) throw new AppError('storage_unavailable');
        stored.push(segment);
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(encoder.signal.aborted).toBe(true);
    expect(stored).toEqual([0]);
  });

  test('throws what the reading threw, once the encoder has ended', async () => {
    const running = runEncoder(contextWith(), COMMAND, {
      async *segments() {
        yield 0;
        throw new AppError('verification_failed');
      },
      store: async () => {},
    });
    await expect(running).rejects.toMatchObject({ code: 'verification_failed' });
    expect(encoder.signal.aborted).toBe(true);
  });

  test('ends with the reason of the task when its lease is lost', async () => {
    const lease = new AbortController();
    const running = runEncoder(contextWith(lease.signal), COMMAND, {
      async *segments(writer) {
        yield 0;
        await new Promise((_, reject) =>
          writer.signal?.addEventListener('abort', () => reject(new Error('stopped'))),
        );
      },
      store: async () => lease.abort(new AppError('lease_lost')),
    });
    await expect(running).rejects.toMatchObject({ code: 'lease_lost' });
  });
});

describe('a source that could not be read', () => {
  const endOf = (source: object) => {
    const stored: number[] = [];
    const running = runEncoder(contextWith(undefined, source), COMMAND, {
      async *segments(writer) {
        yield 0;
        await vi.waitFor(() => expect(writer.hasEnded).toBe(true));
        yield 1; // what the encoder wrote when its input seemed to end
      },
      store: async (segment: number) => void stored.push(segment),
    });
    return { running, stored };
  };

  test('fails the run that ended well, and its last segment is not stored', async () => {
    const { running, stored } = endOf({ failure: new AppError('storage_unavailable') });
    encoder.end();
    await expect(running).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(stored).toEqual([0]);
  });

  test('is another matter than one that was read to its end', async () => {
    const { running, stored } = endOf({ failure: undefined });
    encoder.end();
    await running;
    expect(stored).toEqual([0, 1]);
  });
});

describe('the end of the encoder', () => {
  const endingWith = (error?: unknown) => {
    const running = runEncoder(contextWith(), COMMAND, {
      segments: () => segments(1),
      store: async () => {},
    });
    encoder.end(error);
    return running;
  };

  test('without an error is the end of the run', async () => {
    await expect(endingWith()).resolves.toEqual({ cpuSeconds: 0, complaints: [] });
  });

  test.each([
    { outcome: { exitCode: 69 }, code: 'media_malformed' },
    { outcome: { stderrTail: ['x: Invalid data found when processing input'] }, code: 'media_malformed' },
    {
      outcome: { stderrTail: ['Cannot determine format of input stream 0:0 after EOF'] },
      code: 'media_truncated',
    },
    {
      outcome: { stderrTail: ['Error while opening decoder for input stream #0:0'] },
      code: 'media_unsupported_codec',
    },
  ])('that blames the file is $code', async ({ outcome, code }) => {
    await expect(endingWith(failure(outcome))).rejects.toMatchObject({ code });
  });

  test.each([
    { what: 'by a signal', outcome: { signal: 'SIGKILL' as const, exitCode: null } },
    { what: 'for want of memory', outcome: { exitCode: 69, stderrTail: ['Cannot allocate memory'] } },
    { what: 'for a reason unknown', outcome: { stderrTail: ['Conversion failed!'] } },
  ])('$what is no verdict on the file', async ({ outcome }) => {
    await expect(endingWith(failure(outcome))).rejects.toBeInstanceOf(FfmpegError);
  });
});
