import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChild } from '../../local/child.ts';
import { ensureSecrets, homeAt } from '../../local/home.ts';
import { takeLock } from '../../local/lock.ts';
import { parseOptions } from '../../local/options.ts';
import { findFreePortPair, requireFreePorts } from '../../local/ports.ts';
import { identify } from '../../local/process-identity.ts';
import { isInstalled } from '../../local/setup/dependencies.mjs';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-launch-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function sleeper(): ChildProcess {
  return spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
}

describe('the lock of a state directory', () => {
  it('is held by one stack at a time and free after its release', async () => {
    const home = homeAt(join(folder, 'held'));
    const lock = await takeLock(home);
    await expect(takeLock(home)).rejects.toThrow(`a stack is already running here (pid ${process.pid})`);
    await lock.release();
    await (await takeLock(home)).release();
  });

  it('is taken over from a process that is gone, and what that left running is ended', async () => {
    const home = homeAt(join(folder, 'stale'));
    await mkdir(home.directory);
    const orphan = sleeper();
    const children = [(await identify(orphan.pid!))!];
    // Our own pid, but of a process that began at another time: a number given out twice.
    const owner = { pid: process.pid, startedAt: 'long ago' };
    await writeFile(home.lockFile, JSON.stringify({ owner, children }));
    const ended = once(orphan, 'exit');
    const lock = await takeLock(home);
    expect(await ended).toEqual([null, 'SIGKILL']);
    await lock.release();
  });

  it('does not touch a process that only has the pid of a former child', async () => {
    const home = homeAt(join(folder, 'reused'));
    await mkdir(home.directory);
    const stranger = sleeper();
    const owner = { pid: process.pid, startedAt: 'long ago' };
    const children = [{ pid: stranger.pid, startedAt: 'long ago' }];
    await writeFile(home.lockFile, JSON.stringify({ owner, children }));
    await (await takeLock(home)).release();
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill('SIGKILL');
  });

  it('counts for nothing when it was cut short', async () => {
    const home = homeAt(join(folder, 'cut'));
    await mkdir(home.directory);
    await writeFile(home.lockFile, '{"owner":{"pi');
    await (await takeLock(home)).release();
  });
});

describe('ports', () => {
  let server: Server;
  let taken: number;

  beforeAll(async () => {
    taken = await findFreePortPair();
    server = createServer().listen(taken, '127.0.0.1');
    await once(server, 'listening');
  });

  it('are refused when taken and accepted when free', async () => {
    await expect(requireFreePorts([taken])).rejects.toThrow(`port ${taken} is taken`);
    server.close();
    await once(server, 'close');
    await expect(requireFreePorts([taken])).resolves.toBeUndefined();
  });
});

describe('a child process', () => {
  it('is stopped with all it started, also when it does not listen', async () => {
    const stubborn = `
      process.on('SIGTERM', () => {});
      const { pid } = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      console.log(pid);
      setInterval(() => {}, 1000);`;
    const logFile = join(folder, 'child.log');
    const command = { name: 'stubborn', command: process.execPath, args: ['-e', stubborn], cwd: folder };
    const child = startChild({ ...command, env: process.env, logFile, termination: 'leader' });
    let grandchild = 0;
    while (grandchild === 0) {
      await sleep(20);
      grandchild = Number(await readFile(logFile, 'utf8'));
    }
    await child.stop(0.2);
    expect(child.hasEnded()).toBe(true);
    while (await identify(grandchild)) await sleep(20);
  });
});

describe('options', () => {
  it('come from the command line and the environment', () => {
    expect(parseOptions(['--transcoders', '2', '--no-demo'], { REELAY_PORT: '9000' })).toMatchObject({
      port: 9000,
      transcoders: 2,
      hasDemo: false,
      isReset: false,
    });
  });

  it.each([
    [['--transcoders', 'two'], {}, '--transcoders is a whole number'],
    [['--wrong'], {}, "Unknown option '--wrong'"],
    [[], { REELAY_PORT: '99999' }, 'REELAY_PORT is a whole number'],
  ])('are refused when wrong: %j %j', (args, env, message) => {
    expect(() => parseOptions(args, env)).toThrow(message);
  });
});

describe('secrets', () => {
  it('are made once and can be read by the user alone', async () => {
    const home = homeAt(join(folder, 'secrets'));
    await mkdir(home.directory);
    const first = await ensureSecrets(home);
    expect(await ensureSecrets(home)).toEqual(first);
    expect((await stat(join(home.directory, 'secrets.json'))).mode & 0o777).toBe(0o600);
  });
});

describe('dependencies', () => {
  async function checkout(installed: object): Promise<string> {
    const root = await mkdtemp(join(folder, 'checkout-'));
    await mkdir(join(root, 'node_modules/.bin'), { recursive: true });
    await writeFile(join(root, 'node_modules/.bin/node'), '');
    const wanted = {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '1.0.0', optional: true },
    };
    await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }));
    await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    return root;
  }

  it('count as installed when they are what the lock names, optional ones aside', async () => {
    expect(await isInstalled(await checkout({ 'node_modules/a': { version: '1.0.0' } }))).toBe(true);
  });

  it.each([
    ['of another version', { 'node_modules/a': { version: '2.0.0' } }],
    ['missing', {}],
    ['no longer named', { 'node_modules/a': { version: '1.0.0' }, 'node_modules/c': { version: '1.0.0' } }],
  ])('are installed anew when one is %s', async (_case, installed) => {
    expect(await isInstalled(await checkout(installed))).toBe(false);
  });
});
