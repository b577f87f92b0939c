// The real local stack in a state directory and on ports of its own: what `npm start` runs, with short leases.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePortPair } from '../../local/ports.ts';
import { startStack as startLocalStack } from '../../local/stack.ts';
import type { Role } from '../../shared/api.ts';
import { mintToken } from '../../transcoder/cli/local-stack.ts';
import { migratedHomeAt } from './migrated-state.ts';

const VARIABLES = { LEASE_SECONDS: '6', HEARTBEAT_SECONDS: '1', RATE_LIMITS: 'off' };

export type TestStack = Awaited<ReturnType<typeof startStack>>;

/** @param options.env variables of the Worker over the test stack's own */
export async function startStack(options: {
  transcoders: number;
  env?: Record<string, string>;
  transcoderEnv?: Record<string, string>;
}) {
  const home = await migratedHomeAt(await mkdtemp(join(tmpdir(), 'reelay-stack-')));
  const stack = await startLocalStack({
    home,
    port: await findFreePortPair(),
    transcoders: options.transcoders,
    isReset: false,
    cronSeconds: 1,
    variables: { ...VARIABLES, ...options.env },
    transcoderVariables: options.transcoderEnv ?? {},
  });
  const transcoderAt = (index: number) => {
    const child = stack.transcoders[index];
    if (!child) throw new Error(`there is no transcoder ${index}`);
    return child;
  };
  return {
    url: stack.url,
    home: home.directory,
    token: (role: Role, sub = 'tester') => mintToken(stack.secrets, role, sub),
    transcoderPids: () => stack.transcoders.map(({ pid }) => pid),
    /** Path of a transcoder's log; lines are JSON. */
    transcoderLog: (index: number) => transcoderAt(index).logFile,
    /** Signals the transcoder and its ffmpeg processes, as the end of a container would. */
    killTranscoder: async (index: number, signal: NodeJS.Signals) => {
      const child = transcoderAt(index);
      child.kill(signal);
      if (signal === 'SIGKILL') await child.ended;
    },
    /** One more transcoder under a new worker id. */
    startTranscoder: async () => (await stack.startTranscoder()).pid,
    /** SIGKILL to the Worker's dev server and workerd; `startWorker` brings it back on the same state. */
    killWorker: () => stack.killWorker(),
    startWorker: () => stack.startWorker(),
    stop: async () => {
      await stack.stop();
      // Kept on request, for a look at logs and databases.
      if (!process.env.KEEP_STACK) await rm(home.directory, { recursive: true, force: true });
    },
  };
}
