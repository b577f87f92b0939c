import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { type Answer, claimOf, QUEUE, SECRET, startWire, type Wire } from './wire-stand-in.ts';

const MAIN = fileURLToPath(new URL('../../transcoder/main.ts', import.meta.url));

let wire: Wire;
let scratch: Scratch;
beforeEach(async () => {
  wire = await startWire();
  scratch = await createScratch('main-test');
});
afterEach(async () => {
  await wire[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

function start(changes: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      REELAY_URL: wire.url,
      TRANSCODER_SECRET: SECRET,
      QUEUES_API: wire.url,
      QUEUE_ACCOUNT_ID: QUEUE.accountId,
      QUEUE_ID: QUEUE.queueId,
      QUEUE_TOKEN: QUEUE.token,
      WORKER_ID: 'worker/1',
      SCRATCH_DIR: scratch.directory,
      HEALTH_PORT: '0',
      ...changes,
    },
  });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  // At `exit` the last of its output may still be on the way.
  return { child, exited: once(child, 'close'), output: () => output };
}

const until = (condition: () => unknown) => expect.poll(condition, { timeout: 50_000, interval: 20 });

describe('the process', () => {
  test('names what is wrong with its configuration and ends', async () => {
    const { exited, output } = start({ QUEUE_ID: '', SLOTS: 'many' });
    expect((await exited)[0]).toBe(1);
    for (const name of ['QUEUE_ID', 'SLOTS']) expect(output()).toContain(name);
  });

  test('says so when there is no ffmpeg, and ends', async () => {
    const { exited, output } = start({ FFMPEG_PATH: '/nonexistent/ffmpeg' });
    expect((await exited)[0]).toBe(1);
    expect(output()).toContain('could not be started');
  });

  test.skipIf(existsSync('/dev/nvidia0'))('does not start without the GPU it was promised', async () => {
    const { exited, output } = start({ ENCODER: 'h264_nvenc' });
    expect((await exited)[0]).toBe(1);
    expect(output()).toContain('encoder_not_available');
    expect(output()).toContain('needs an NVIDIA GPU');
    expect(wire.to('/internal/hello')).toEqual([]);
  });

  test('names its encoders with every claim', async () => {
    const { child, exited } = start({ ENCODER: 'libx264' });
    await until(() => wire.to('/internal/claim').length).toBeGreaterThan(0);
    expect(wire.to('/internal/claim')[0]?.body).toMatchObject({ encoders: ['libx264'] });
    child.kill('SIGTERM');
    await exited;
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s gives its task back, tidies up and ends well',
    async (signal) => {
      const left = join(scratch.directory, 'worker_1', 'left-by-a-former-self');
      await mkdir(left, { recursive: true });
      await writeFile(join(left, 'file'), 'x');
      // Storage that does not answer keeps the task busy for as long as the test wants.
      const gone = Promise.withResolvers<Answer>();
      const claim = claimOf('plan');
      wire.claims.push({ ...claim, storage: { ...claim.storage, endpoint: wire.url } });
      wire.override = ({ path }) => (path.startsWith('/media/') ? gone.promise : undefined);
      const { child, exited, output } = start({ DRAIN_SECONDS: '0' });
      await until(() => wire.calls.filter(({ path }) => path.startsWith('/media/')).length).toBeGreaterThan(
        0,
      );
      const names = (await readdir(join(scratch.directory, 'worker_1'))).sort();
      expect(names).toEqual([expect.stringMatching(/^plan-/), expect.stringMatching(/^source-/)]);
      child.kill(signal);
      await until(output).toContain('transcoder.draining');
      // Two heartbeats later the task has heard of it.
      const beats = wire.to('/internal/heartbeat').length;
      await until(() => wire.to('/internal/heartbeat').length).toBeGreaterThan(beats + 1);
      gone.resolve({ status: 404 });
      expect(await exited).toEqual([0, null]);
      expect(wire.to('/internal/release')).toHaveLength(1);
      expect(wire.to('/internal/fail')).toEqual([]);
      expect(await readdir(join(scratch.directory, 'worker_1'))).toEqual([]);
      expect(output()).toContain('transcoder.stopped');
      expect(output()).not.toContain(SECRET);
    },
  );
});
