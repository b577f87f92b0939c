import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeClip, makeFolder } from '../support/media.ts';
import { readmeCommands } from '../support/published.ts';
import { startStack, type TestStack } from '../support/stack.ts';

// The curl lines of the README, as they stand there.

let stack: TestStack;
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('readme');
  await makeClip(join(folder, 'clip.mp4'), { seconds: 4 });
  // Stands for the checkout: `npx reelay` finds the command, the clip lies beside it.
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
  await symlink(resolve('transcoder/cli/reelay.mjs'), join(folder, 'node_modules/.bin/reelay'));
  stack = await startStack({ transcoders: 1 });
});

afterAll(async () => {
  await stack?.stop();
});

it('goes from upload to a playable URL by the lines of the README', async () => {
  const script = await readmeCommands('curl-story');
  const env = { ...process.env, REELAY_PORT: new URL(stack.url).port, REELAY_HOME: stack.home };
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    env,
  });
  const hls = stdout.trim();
  expect(hls).toMatch(/\/p\/v1\.[^/]+\/hls\/videos\/.*\/master\.m3u8$/);
  expect(await (await fetch(hls)).text()).toContain('#EXT-X-STREAM-INF');
});
