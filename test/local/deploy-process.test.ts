// A deployment by processes: wrangler as an executable that stands in for it, and the real one where it needs no
// account.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { readWanted, writeOverlay } from '../../local/deploy/config.ts';
import { runWrangler } from '../../local/deploy/wrangler.ts';
import { ROOT } from '../../local/setup/run.mjs';
import { newDeployment, OPERATOR } from '../support/deployment.ts';
import { emptyAccount } from '../support/wrangler-stand-in.ts';

const run = promisify(execFile);
const PROCESSES_MS = 120_000;

test(
  'arguments and standard input reach wrangler, and secrets are in the latter alone',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'reelay-stand-in-'));
    const executable = new URL('../support/wrangler-stand-in-command.mjs', import.meta.url).pathname;
    const variables = { ...OPERATOR, STAND_IN_HOME: folder, REELAY_WRANGLER: executable };
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    try {
      await using deployment = await newDeployment(emptyAccount(), { runWrangler });
      await deployment.run();
      const lines = (await readFile(join(folder, 'calls.ndjson'), 'utf8')).trim().split('\n');
      const calls = lines.map((line) => JSON.parse(line) as { args: string[]; stdin: string });
      const { worker } = JSON.parse(await readFile(join(folder, 'account.json'), 'utf8'));
      const spoken = calls.filter(({ stdin }) => stdin !== '');
      expect(spoken.map(({ args }) => args.slice(0, 2))).toEqual([['secret', 'bulk']]);
      expect(JSON.parse(spoken[0]?.stdin ?? '')).toEqual(worker.secrets);
      for (const secret of Object.values(worker.secrets)) {
        expect(calls.flatMap(({ args }) => args).join(' ')).not.toContain(secret);
      }
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  },
  PROCESSES_MS,
);

test(
  'npm run deploy -- --dry-run shows all with the real wrangler, and nobody signed in',
  async () => {
    const { CLOUDFLARE_API_TOKEN: _, ...env } = process.env;
    const empty = await mkdtemp(join(tmpdir(), 'reelay-no-login-'));
    const { stdout } = await run('npm', ['run', '-s', 'deploy', '--', '--dry-run'], {
      cwd: ROOT,
      env: { ...env, XDG_CONFIG_HOME: empty, REELAY_DEPLOY_HOME: join(empty, 'home') },
    });
    expect(stdout).toContain('not signed in: shown as for an empty account');
    expect(stdout.match(/would run {2}wrangler/g)).toHaveLength(12);
    expect(stdout).toContain('Nothing was changed.');
    await rm(empty, { recursive: true });
  },
  PROCESSES_MS,
);

test(
  'the real wrangler bundles what the written configuration names',
  async () => {
    // Beside wrangler.toml, as the real one.
    const file = join(ROOT, `wrangler.deploy.${process.pid}.json`);
    const vars = { REELAY_URL: 'https://reelay.example' };
    await writeOverlay(file, await readWanted(), { databaseId: 'an-id', hasContainers: true, vars });
    try {
      const { code, stdout, stderr } = await runWrangler(
        ['deploy', '--dry-run', '--containers-rollout=none', '--config', file],
        { env: {} },
      );
      expect(code, stderr).toBe(0);
      for (const line of [/env\.DB .*\(?reelay/, /env\.REELAY_URL/, /env\.CONTAINERS \("on"\)/])
        expect(stdout).toMatch(line);
    } finally {
      await rm(file);
    }
  },
  PROCESSES_MS,
);
