// A private stack without transcoders, whose Worker is there to be killed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePortPair } from '../local/ports.ts';
import { startStack } from '../local/stack.ts';
import { migratedHomeAt } from '../test/support/migrated-state.ts';
import { mintToken } from '../transcoder/cli/local-stack.ts';

export type ChaosStack = AsyncDisposable & {
  url: string;
  token: string;
  /** Where the Worker's D1 and R2 lie on disk. */
  stateDirectory: string;
  folder: string;
  killWorker(): Promise<void>;
  startWorker(): Promise<void>;
  /** Runs the Worker's cron once. */
  sweep(): Promise<void>;
};

export async function startChaosStack(): Promise<ChaosStack> {
  const folder = await mkdtemp(join(tmpdir(), 'reelay-chaos-'));
  const home = await migratedHomeAt(join(folder, 'home'));
  const stack = await startStack({
    home,
    port: await findFreePortPair(),
    transcoders: 0,
    isReset: false,
    cronSeconds: 1,
    variables: { RATE_LIMITS: 'off' },
  });
  return {
    url: stack.url,
    token: mintToken(stack.secrets, 'uploader', 'chaos'),
    stateDirectory: home.workerState,
    folder,
    killWorker: stack.killWorker,
    startWorker: stack.startWorker,
    sweep: async () => {
      const response = await fetch(new URL('/cdn-cgi/local/scheduled?cron=*+*+*+*+*', stack.url));
      if (!response.ok) throw new Error(`the cron answered ${response.status}: ${await response.text()}`);
      await response.body?.cancel();
    },
    [Symbol.asyncDispose]: async () => {
      await stack.stop();
      if (!process.env.KEEP_STACK) await rm(folder, { recursive: true, force: true });
    },
  };
}
