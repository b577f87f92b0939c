// Deployments to a stand-in account, with everything that is seen of them kept: commands, standard inputs, output.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { readWanted } from '../../local/deploy/config.ts';
import { type DeployTools, deploy } from '../../local/deploy/deploy.ts';
import { type DeployHome, deployHome } from '../../local/deploy/home.ts';
import { parseDeployOptions } from '../../local/deploy/options.ts';
import type { RunWrangler } from '../../local/deploy/wrangler.ts';
import { ROOT } from '../../local/setup/run.mjs';
import { emptyAccount, runOn, type StandInAccount } from './wrangler-stand-in.ts';

/** What an operator brings along. */
export const OPERATOR = {
  R2_ACCESS_KEY_ID: 'r2-key-id-of-the-operator',
  R2_SECRET_ACCESS_KEY: 'r2-secret-of-the-operator',
  QUEUE_TOKEN: 'queue-token-of-the-operator',
};
const WRITES =
  /^(r2 bucket create|r2 bucket lifecycle add|r2 bucket cors set|d1 create|d1 migrations|queues create|queues consumer http add|secret bulk|deploy)/;

/** wrangler itself is loaded once for its reader of wrangler.toml, which takes a second, or several on a busy machine. */
export const LOADING = { work: async () => void (await readWanted()), timeoutMs: 60_000 };

export type Call = { command: string; stdin: string };

export type Deployment = {
  account: StandInAccount;
  home: DeployHome;
  calls: Call[];
  /** Commands that change something, in their order. */
  writes(): string[];
  /** Lines a person saw. */
  seen: string[];
  run(args?: string[], fault?: Fault): Promise<void>;
  overlay(): Promise<Record<string, never>>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The k-th call, counted from 1, fails: cut off before it does anything or after all of it, or with a refusal. */
export type Fault = { atCall: number; how: 'before' | 'after' | 'refused' };

export async function newDeployment(
  account: StandInAccount = emptyAccount(),
  tools: Partial<DeployTools> = {},
): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), 'reelay-deploy-'));
  const home = deployHome(join(folder, 'home'), join(folder, 'wrangler.deploy.json'));
  const calls: Call[] = [];
  const seen: string[] = [];
  return {
    account,
    home,
    calls,
    seen,
    writes: () => calls.map(({ command }) => command).filter((command) => WRITES.test(command)),
    async run(args = ['--yes'], fault) {
      let count = 0;
      const runWrangler: RunWrangler = async (argv, { stdin, env }) => {
        calls.push({ command: argv.join(' '), stdin: stdin ?? '' });
        count += 1;
        const how = count === fault?.atCall ? fault.how : undefined;
        if (how === 'before') throw new Error('the power is gone');
        if (how === 'refused') return { code: 1, stdout: '', stderr: '✘ [ERROR] fetch failed\n' };
        const result = runOn(account, argv, { ...(stdin !== undefined && { stdin }), env }, ROOT);
        if (how === 'after') throw new Error('the power is gone');
        return result;
      };
      const log = vi.spyOn(console, 'log').mockImplementation((...words) => void seen.push(words.join(' ')));
      try {
        await deploy(parseDeployOptions(args, {}), {
          runWrangler,
          ask: { isInteractive: false, secret: async () => '', confirm: async () => false },
          home,
          buildStudio: async () => {},
          ...tools,
        });
      } finally {
        log.mockRestore();
      }
    },
    overlay: async () => JSON.parse(await readFile(home.overlayFile, 'utf8')),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
