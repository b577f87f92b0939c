import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, open, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../chaos/fault-proxy.ts';
import { MIB } from '../../shared/limits.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { readmeCommands } from '../support/published.ts';
import { startStack, type TestStack } from '../support/stack.ts';

// `reelay upload` as a person runs it, ended twice on the way, and the curl lines of the README, as they stand there.

const SIZE_BYTES = 44 * MIB;
const PARTS = 6;

let stack: TestStack;
let proxy: FaultProxy;
let folder: string;
let clip: string;
/** Parts up to this number may pass. */
let letPass: (upTo: number) => void;

beforeAll(async () => {
  folder = await makeFolder('cli');
  clip = await paddedClip(join(folder, 'clip.mp4'), SIZE_BYTES);
  stack = await startStack({ transcoders: 1 });
  const gate = createGate();
  letPass = gate.open;
  proxy = await startFaultProxy(stack.url, {
    holdBack: async (method, path) => {
      const [, number] = /\/parts\/(\d+)$/.exec(path) ?? [];
      if (method === 'PUT' && number) await gate.passed(Number(number));
    },
  });
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await stack?.stop();
});

it('the lines of the README go from upload to a playable URL', async () => {
  const place = await makeFolder('readme');
  await makeClip(join(place, 'clip.mp4'), { seconds: 4 });
  // Stands for the checkout: `npx reelay` finds the command, the clip lies beside it.
  await mkdir(join(place, 'node_modules/.bin'), { recursive: true });
  await symlink(resolve('transcoder/cli/reelay.mjs'), join(place, 'node_modules/.bin/reelay'));
  const script = await readmeCommands('curl-story');
  const env = { ...process.env, REELAY_PORT: new URL(stack.url).port, REELAY_HOME: stack.home };
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: place,
    env,
  });
  const hls = stdout.trim();
  expect(hls).toMatch(/\/p\/v1\.[^/]+\/hls\/videos\/.*\/master\.m3u8$/);
  expect(await (await fetch(hls)).text()).toContain('#EXT-X-STREAM-INF');
});

describe('an upload that is ended and run again', () => {
  it('goes on after Ctrl-C and after a kill, sends each part once, and ends with the play URLs', async () => {
    letPass(2);
    const first = start(['upload', clip, '--method', 'multipart']);
    await untilPartsHeld(2);
    first.process.kill('SIGINT');
    const interrupted = await first.ended;
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain('interrupted: The command was interrupted.');
    expect(interrupted.stderr).toContain('Run the same command again to go on from there.');

    letPass(4);
    const second = start(['upload', clip, '--method', 'multipart']);
    await untilPartsHeld(4);
    second.process.kill('SIGKILL');
    expect((await second.ended).stdout).toMatch(/Going on: 16\.8 MB are already there\./);

    letPass(PARTS);
    const third = await start(['upload', '--json', clip, '--method', 'multipart']).ended;
    expect({ code: third.code, stderr: third.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(third.stdout)).toMatchObject({
      ...{ file: clip, ok: true, method: 'multipart' },
      hls: expect.stringMatching(/\.m3u8$/),
    });
    const sent = proxy.answers.filter(({ method, path }) => method === 'PUT' && /\/parts\/\d+$/.test(path));
    const numbers = sent.map(({ path }) => Number(path.split('/').at(-1)));
    expect(numbers.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(
      proxy.answers.filter(({ method, path }) => method === 'POST' && path === '/v1/uploads'),
    ).toHaveLength(1);
  });
});

type Ended = { code: number | null; stdout: string; stderr: string };

function start(args: string[]): { process: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['transcoder/cli/reelay.mjs', ...args], {
    env: {
      ...process.env,
      REELAY_URL: proxy.url,
      REELAY_TOKEN: stack.token('uploader'),
      REELAY_STATE: join(folder, 'state'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, ended };
}

async function untilPartsHeld(count: number): Promise<void> {
  const isAnswered = () =>
    proxy.answers.filter(({ path, status }) => /\/parts\/\d+$/.test(path) && status === 200).length >= count;
  while (!isAnswered()) await sleep(50);
  // The answer is on its way to the client; it need not have arrived.
}

/** Lets parts pass by their number. */
function createGate() {
  let upTo = 0;
  return {
    open: (number: number) => {
      upTo = number;
    },
    // Nobody lets those pass that are held back: by then their client is gone.
    passed: (number: number) => (number <= upTo ? Promise.resolve() : new Promise<void>(() => {})),
  };
}

/** A clip that plays, made large by a `free` box at its end (ISO/IEC 14496-12, 8.1.2). */
async function paddedClip(path: string, sizeBytes: number): Promise<string> {
  await makeClip(path, { seconds: 2 });
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  const header = Buffer.alloc(8);
  header.writeUInt32BE(sizeBytes - size);
  header.write('free', 4, 'latin1');
  await file.write(header, 0, 8, size);
  await file.truncate(sizeBytes);
  return path;
}
