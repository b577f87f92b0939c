import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encoderProfile } from '../../transcoder/ffmpeg/build.ts';
import type { FfmpegError } from '../../transcoder/ffmpeg/ffmpeg-error.ts';
import { parseProgress } from '../../transcoder/ffmpeg/progress.ts';
import { ffmpegVersion, runFfprobe, setFfmpeg, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';

const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reelay-probe-'));
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(() => setFfmpeg('ffmpeg'));

async function failureOf(run: Promise<unknown>): Promise<FfmpegError> {
  return run.then(
    () => expect.unreachable('ffprobe succeeded'),
    (error: FfmpegError) => error,
  );
}

/** A program that stands in for ffmpeg. */
async function standIn(body: string): Promise<void> {
  const path = join(directory, 'stand-in');
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  setFfmpeg(path);
}

describe('runFfprobe', () => {
  test('gives the standard output', async () => {
    const url = 'testsrc2=size=160x90:rate=30:duration=1';
    const input = { options: ['-v', 'error', '-f', 'lavfi'], url };
    const output = { options: ['-c:v', 'libx264', '-preset', 'ultrafast'], path: join(directory, 'out.mp4') };
    await startFfmpeg({ inputs: [input], outputs: [output] }, { directory, limits: LIMITS }).done;
    const options = ['-v', 'error', '-of', 'json', '-show_streams'];
    const streams = JSON.parse(await runFfprobe(options, 'out.mp4', { directory, limits: LIMITS })).streams;
    expect(streams[0]).toMatchObject({ codec_name: 'h264', width: 160, height: 90 });
  });

  test('rejects with what ffprobe said of a file that is none', async () => {
    await writeFile(join(directory, 'text.mp4'), 'hello world');
    const error = await failureOf(runFfprobe(['-v', 'error'], 'text.mp4', { directory, limits: LIMITS }));
    expect(error.exitCode).toBe(1);
    expect(error.stderrTail.join('\n')).toContain('Invalid data');
  });

  test('ends at its wall time and when aborted', async () => {
    const url = 'testsrc2=size=160x90:rate=30';
    const options = ['-v', 'error', '-f', 'lavfi', '-show_packets'];
    const late = await failureOf(
      runFfprobe(options, url, { directory, limits: { ...LIMITS, wallSeconds: 0.3 } }),
    );
    expect([late.isTimeout, late.isAborted]).toEqual([true, false]);
    const signal = AbortSignal.timeout(300);
    const aborted = await failureOf(runFfprobe(options, url, { directory, limits: LIMITS, signal }));
    expect([aborted.isTimeout, aborted.isAborted]).toEqual([false, true]);
  });
});

describe('encoderProfile', () => {
  test('tells ffmpeg’s version and depends on the thread count', async () => {
    const one = await encoderProfile(1);
    expect(await ffmpegVersion()).toContain(one.version);
    expect((await encoderProfile(1)).profile).toBe(one.profile);
    expect((await encoderProfile(2)).profile).not.toBe(one.profile);
  });

  test('refuses an ffmpeg older than the recipes', async () => {
    await standIn('echo "ffmpeg version 4.4.2 built"; echo "configuration: --enable-libx264"');
    await expect(encoderProfile(1)).rejects.toThrow('too old');
    await standIn('echo "ffmpeg version 5.1.9 built"; echo "configuration: --enable-libx264"');
    await expect(encoderProfile(1)).resolves.toMatchObject({ version: '5.1.9' });
    await standIn('echo "ffmpeg version 5.1.9 built"; echo "configuration: --disable-libx264"');
    await expect(encoderProfile(1)).rejects.toThrow('libx264');
  });
});

test('reads the last complete block of a progress file, whatever follows it', () => {
  const block = (frame: number, end: string) =>
    `frame=${frame}\nout_time_us=${frame * 1000}\nspeed=1.5x\nprogress=${end}\n`;
  expect(parseProgress('')).toBeUndefined();
  expect(parseProgress('frame=1\n')).toBeUndefined();
  expect(parseProgress(block(10, 'continue'))).toEqual({ frames: 10, speed: 1.5, outSeconds: 0.01 });
  expect(parseProgress(`${block(10, 'continue')}${block(20, 'continue')}frame=3`)?.frames).toBe(20);
  expect(parseProgress(`out_time_us=N/A\nspeed=N/A\n${block(5, 'end')}`)?.frames).toBe(5);
});
