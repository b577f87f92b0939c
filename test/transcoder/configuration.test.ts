import { describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { GIB } from '../../shared/limits.ts';
import { sizeCapacity, thisMachine } from '../../transcoder/capacity.ts';
import { parseEnv } from '../../transcoder/env.ts';
import { FfmpegError, type RunOutcome } from '../../transcoder/ffmpeg/ffmpeg-error.ts';
import { describeFailure } from '../../transcoder/task-failure.ts';

describe('parseEnv', () => {
  const GOOD = {
    REELAY_URL: 'https://reelay.example/',
    TRANSCODER_SECRET: 'a-secret-of-thirty-two-characters',
    QUEUE_ACCOUNT_ID: 'account',
    QUEUE_ID: 'queue',
    QUEUE_TOKEN: 'token',
  };

  test('needs little and fills in the rest', () => {
    const env = parseEnv({ ...GOOD, SLOTS: '', PATH: '/bin' });
    expect(env).toMatchObject({
      REELAY_URL: 'https://reelay.example',
      HEALTH_PORT: 8080,
      FFMPEG_PATH: 'ffmpeg',
    });
    expect(env.QUEUES_API).toBe('https://api.cloudflare.com/client/v4');
    expect(env.SLOTS).toBeUndefined();
    expect(env.WORKER_ID).toContain(String(process.pid));
  });

  test('takes numbers as numbers', () => {
    expect(parseEnv({ ...GOOD, SLOTS: '3', MEMORY_GB: '1.5' })).toMatchObject({ SLOTS: 3, MEMORY_GB: 1.5 });
  });

  test('names everything that is wrong at once', () => {
    const attempt = () =>
      parseEnv({ ...GOOD, REELAY_URL: 'nowhere', TRANSCODER_SECRET: 'short', SLOTS: '0', QUEUE_ID: '' });
    for (const name of ['REELAY_URL', 'TRANSCODER_SECRET', 'SLOTS', 'QUEUE_ID'])
      expect(attempt).toThrow(name);
    expect(attempt).not.toThrow('QUEUE_TOKEN');
    expect(attempt).not.toThrow('short');
  });
});

describe('sizeCapacity', () => {
  test.each([
    [
      { cores: 1, memoryBytes: 1 * GIB },
      { slots: 1, threads: 1 },
    ],
    [
      { cores: 2, memoryBytes: 24 * GIB },
      { slots: 1, threads: 2 },
    ],
    [
      { cores: 4, memoryBytes: 12 * GIB },
      { slots: 2, threads: 2 },
    ],
    [
      { cores: 16, memoryBytes: 4 * GIB },
      { slots: 3, threads: 5 },
    ],
    [
      { cores: 32, memoryBytes: 64 * GIB },
      { slots: 16, threads: 2 },
    ],
  ])('gives %o the slots that both cores and memory allow', (machine, expected) => {
    expect(sizeCapacity(machine)).toMatchObject(expected);
  });

  test('shares the memory among the slots and keeps some for itself', () => {
    const { slots, limits } = sizeCapacity({ cores: 4, memoryBytes: 12 * GIB });
    expect(limits.memoryBytes * slots).toBeLessThan(12 * GIB);
    expect(limits.memoryBytes).toBeGreaterThan(3 * GIB);
  });

  test('follows the operator’s wishes', () => {
    const machine = { cores: 8, memoryBytes: 32 * GIB };
    expect(sizeCapacity(machine, { slots: 2 })).toMatchObject({ slots: 2, threads: 4 });
    expect(sizeCapacity(machine, { memoryGb: 2.4 })).toMatchObject({ slots: 2, threads: 4 });
  });

  test('sees this machine', () => {
    expect(thisMachine().cores).toBeGreaterThan(0);
    expect(thisMachine().memoryBytes).toBeGreaterThan(0.1 * GIB);
  });
});

describe('describeFailure', () => {
  const ffmpeg = (outcome: Partial<RunOutcome>) =>
    new FfmpegError('ffmpeg', {
      argv: ['ffmpeg', '/tmp/secret-path'],
      exitCode: 1,
      signal: null,
      stderrTail: ['/tmp/secret-path: no'],
      isTimeout: false,
      isOutOfMemory: false,
      isAborted: false,
      ...outcome,
    });

  test.each([
    ['an exit code', ffmpeg({}), 'encode_failed', 'retryable'],
    ['a signal', ffmpeg({ exitCode: null, signal: 'SIGKILL' }), 'encode_resources', 'resources'],
    ['a lack of memory', ffmpeg({ isOutOfMemory: true }), 'encode_resources', 'resources'],
    ['a lack of time', ffmpeg({ isTimeout: true }), 'encode_resources', 'resources'],
    [
      'a wrapped signal',
      new AppError('encode_failed', { cause: ffmpeg({ signal: 'SIGSEGV' }) }),
      'encode_resources',
      'resources',
    ],
    [
      'a wrapped exit code',
      new AppError('encode_failed', { cause: ffmpeg({}) }),
      'encode_failed',
      'retryable',
    ],
    ['a verdict', new AppError('media_malformed', { cause: ffmpeg({}) }), 'media_malformed', 'media'],
    ['a changed source', new AppError('source_changed'), 'source_changed', 'media'],
    ['an outage', new AppError('storage_unavailable'), 'storage_unavailable', 'retryable'],
    [
      'a full disk',
      Object.assign(new Error('no space'), { code: 'ENOSPC' }),
      'encode_resources',
      'retryable',
    ],
    [
      'a full disk that ffmpeg met',
      ffmpeg({ stderrTail: ['av_interleaved_write_frame(): No space left on device'] }),
      'encode_resources',
      'retryable',
    ],
    ['anything else', 'text', 'internal', 'retryable'],
  ])('tells %s by its code and kind, and no path of ours', (_name, error, code, kind) => {
    const failure = describeFailure(error, undefined);
    expect(failure).toMatchObject({ code, kind });
    expect(failure.detail).not.toContain('secret-path');
  });

  test('blames the storage rather than the file when a read failed', () => {
    const verdict = new AppError('media_malformed');
    expect(describeFailure(verdict, new AppError('storage_unavailable')).kind).toBe('retryable');
    expect(describeFailure(verdict, Object.assign(new Error(), { code: 'ENOSPC' })).kind).toBe('retryable');
    expect(describeFailure(verdict, undefined).kind).toBe('media');
  });
});
