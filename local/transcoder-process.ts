// One transcoder of the local stack: the production process with local addresses.
import { join } from 'node:path';
import type { LocalSecrets } from '../transcoder/cli/local-stack.ts';
import type { ChildCommand } from './child.ts';
import type { Home } from './home.ts';
import { ROOT, runtimeEnv } from './setup/run.mjs';

export type TranscoderPlace = {
  home: Home;
  index: number;
  url: string;
  queueUrl: string;
  secrets: LocalSecrets;
  /** Over what the local stack sets. */
  variables: Record<string, string>;
};

export function transcoderCommand({
  home,
  index,
  url,
  queueUrl,
  secrets,
  variables,
}: TranscoderPlace): ChildCommand {
  return {
    name: `transcoder-${index}`,
    command: process.execPath,
    args: ['transcoder/main.ts'],
    cwd: ROOT,
    env: {
      ...runtimeEnv(),
      REELAY_URL: url,
      TRANSCODER_SECRET: secrets.transcoderSecret,
      WORKER_ID: `local-${index}`,
      QUEUES_API: queueUrl,
      QUEUE_ACCOUNT_ID: 'local',
      QUEUE_ID: 'reelay-tickets',
      QUEUE_TOKEN: secrets.queueToken,
      // Emptied at start by worker id, so two stacks must not share it.
      SCRATCH_DIR: home.scratch,
      HEALTH_PORT: '0',
      POLL_MAX_MS: '500',
      ...variables,
    },
    logFile: join(home.logs, `transcoder-${index}.log`),
    termination: 'leader',
  };
}
