import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { findFreePortPair } from '../../local/ports.ts';
import { makeFolder } from '../support/media.ts';

// `npm start` as a user meets it: the main job on one command, and one clear line where it cannot be.

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGINT');
});

type Run = { child: ChildProcess; output: () => string; ended: Promise<number | null> };

function start(script: 'start' | 'dev', env: Record<string, string>): Run {
  const child = spawn('npm', ['run', script], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    detached: true,
  });
  children.push(child);
  let text = '';
  child.stdout.on('data', (piece) => (text += piece));
  child.stderr.on('data', (piece) => (text += piece));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, output: () => text, ended };
}

async function until(run: Run, pattern: RegExp, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  let hasEnded = false;
  void run.ended.then(() => {
    hasEnded = true;
  });
  while (!pattern.test(run.output())) {
    if (hasEnded || Date.now() > end) throw new Error(`${pattern} was not said:\n${run.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('npm start', () => {
  it('runs the main job, refuses a second stack, and leaves nothing behind after Ctrl-C', async () => {
    const home = join(await makeFolder('start'), 'home');
    const port = await findFreePortPair();
    const env = { REELAY_HOME: home, REELAY_PORT: String(port) };
    const first = start('start', env);
    // The link is there as soon as the clip is playable, the rest when it is ready.
    await until(first, /HLS\s+http.*master\.m3u8/, 240_000);
    expect(first.output()).toMatch(/token\s+eyJ/);
    expect(first.output()).toMatch(/\/watch\/[0-9a-f-]+#t=/);
    const watch = /http\S+\/watch\/\S+/.exec(first.output())![0];
    expect((await fetch(watch)).status).toBe(200);

    const second = start('dev', { ...env, REELAY_PORT: String(await findFreePortPair()) });
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/already/);
    expect((await fetch(watch)).status).toBe(200);

    process.kill(-first.child.pid!, 'SIGINT');
    await first.ended;
    await expect(fetch(watch)).rejects.toThrow();
    // Whoever was killed last may need a moment to go.
    const left = async () => {
      const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
      return stdout.split('\n').filter((line) => line.includes(home));
    };
    await expect.poll(left, { timeout: 20_000 }).toEqual([]);
  }, 400_000);

  it('says in one line that its port is taken', async () => {
    const port = await findFreePortPair();
    const holder = createServer().listen(port, '127.0.0.1');
    const home = join(await makeFolder('taken'), 'home');
    const run = start('dev', { REELAY_HOME: home, REELAY_PORT: String(port) });
    expect(await run.ended).toBe(1);
    expect(
      run
        .output()
        .split('\n')
        .filter((line) => line.includes(String(port))),
    ).toHaveLength(1);
    expect(run.output()).not.toMatch(/\n\s+at /);
    holder.close();
  });

  it('says in one line that ffmpeg is missing where it cannot be installed', async () => {
    // A PATH with node and a shell, and neither ffmpeg nor a package manager.
    const bin = join(await makeFolder('bare'), 'bin');
    await mkdir(bin);
    for (const name of ['sh', 'env', 'uname']) await symlink(`/bin/${name}`, join(bin, name));
    await symlink(process.execPath, join(bin, 'node'));
    const child = spawn(process.execPath, ['local/start.mjs', '--no-demo'], {
      env: { PATH: bin, HOME: bin, NO_COLOR: '1' },
    });
    let text = '';
    child.stdout.on('data', (piece) => (text += piece));
    child.stderr.on('data', (piece) => (text += piece));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
    expect(text.match(/ffmpeg and ffprobe are needed.*install/g)).toHaveLength(1);
    expect(text).not.toMatch(/\n\s+at /);
  });
});
