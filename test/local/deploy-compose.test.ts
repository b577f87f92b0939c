// Transcoders that run elsewhere: compose.yaml and the variables `npm run deploy` writes for it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { ROOT } from '../../local/setup/run.mjs';
import { parseEnv } from '../../transcoder/env.ts';
import { LOADING, newDeployment, OPERATOR } from '../support/deployment.ts';

beforeAll(LOADING.work, LOADING.timeoutMs);

/** Lines of the one service, without its comments. */
async function composeLines(): Promise<string[]> {
  const text = await readFile(join(ROOT, 'compose.yaml'), 'utf8');
  return text.split('\n').filter((line) => !line.trim().startsWith('#'));
}

async function settingOf(name: string): Promise<string | undefined> {
  const line = (await composeLines()).find((text) => text.trim().startsWith(`${name}:`));
  return line?.split(`${name}:`)[1]?.trim();
}

describe('compose.yaml', () => {
  test('waits longer for a transcoder that drains than draining takes', async () => {
    const grace = Number(/^(\d+)s$/.exec((await settingOf('stop_grace_period')) ?? '')?.[1]);
    const main = await readFile(join(ROOT, 'transcoder/main.ts'), 'utf8');
    const release = Number(/RELEASE_SECONDS = (\d+)/.exec(main)?.[1]);
    const needed = { REELAY_URL: 'https://reelay.example', TRANSCODER_SECRET: 'x'.repeat(32) };
    const queue = { QUEUE_ACCOUNT_ID: 'a', QUEUE_ID: 'q', QUEUE_TOKEN: 't' };
    expect(grace).toBeGreaterThan(parseEnv({ ...needed, ...queue }).DRAIN_SECONDS + release);
  });

  test('gives a read-only root a volume where the image writes', async () => {
    const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    const scratch = /SCRATCH_DIR=(\S+)/.exec(dockerfile)?.[1];
    expect(await settingOf('read_only')).toBe('true');
    expect((await composeLines()).map((line) => line.trim())).toContain(`- ${scratch}`);
    expect(dockerfile, 'which the user of the image may write').toContain(
      `install -d -o node -g node ${scratch}`,
    );
  });

  test('reads the file that a deployment writes', async () => {
    expect(await settingOf('env_file')).toBe(
      ['$', '{REELAY_ENV_FILE:-.reelay/deploy/transcoder.env}'].join(''),
    );
  });
});

test('a transcoder starts with the written variables and the token that only Cloudflare issues', async () => {
  for (const [name, value] of Object.entries(OPERATOR)) vi.stubEnv(name, value);
  try {
    await using deployment = await newDeployment();
    await deployment.run();
    const text = await readFile(deployment.home.transcoderEnvFile, 'utf8');
    const written = Object.fromEntries(
      [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(() => parseEnv(written)).toThrow('QUEUE_TOKEN');
    expect(parseEnv({ ...written, QUEUE_TOKEN: 'a token' })).toMatchObject({
      REELAY_URL: 'https://reelay.ada.workers.dev',
      QUEUE_ID: 'id-of-reelay-tickets',
    });
  } finally {
    vi.unstubAllEnvs();
  }
});
