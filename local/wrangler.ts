// The wrangler processes of a stack: the queue, the Worker, and the migrations before it.
import { join } from 'node:path';
import type { ChildCommand } from './child.ts';
import { type Home, writePrivate } from './home.ts';
import { ROOT, runtimeEnv } from './setup/run.mjs';

const WRANGLER = 'node_modules/wrangler/bin/wrangler.js';

/** No calls home, and none of the request recording that costs nine tenths of the throughput. */
export function wranglerEnv(home: Home): NodeJS.ProcessEnv {
  return {
    ...runtimeEnv(),
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: join(home.logs, 'wrangler'),
    // The registry is machine-wide by default: two checkouts would answer each other's queues.
    WRANGLER_REGISTRY_PATH: home.registry,
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    X_LOCAL_OBSERVABILITY: 'false',
    NO_COLOR: '1',
  };
}

export type DevServer = {
  name: 'queue' | 'worker';
  config: string;
  port: number;
  stateDirectory: string;
  /** Variables and secrets of the Worker; they go through a private file since arguments are public. */
  variables: Record<string, string>;
};

export async function devServerCommand(home: Home, server: DevServer): Promise<ChildCommand> {
  const variablesFile = join(home.directory, `${server.name}.env`);
  const lines = Object.entries(server.variables).map(([name, value]) => `${name}=${quoted(value)}\n`);
  await writePrivate(variablesFile, lines.join(''));
  const args = ['dev', '--config', server.config, '--ip', '127.0.0.1', '--port', String(server.port)];
  args.push('--inspector-port', '0', '--persist-to', server.stateDirectory, '--env-file', variablesFile);
  return {
    name: server.name,
    command: process.execPath,
    args: [WRANGLER, ...args, '--show-interactive-dev-session=false'],
    cwd: ROOT,
    env: wranglerEnv(home),
    logFile: join(home.logs, `${server.name}.log`),
    termination: 'group',
  };
}

export function migrationsCommand(home: Home): ChildCommand {
  return {
    name: 'migrations',
    command: process.execPath,
    args: [WRANGLER, 'd1', 'migrations', 'apply', 'DB', '--local', '--persist-to', home.workerState],
    cwd: ROOT,
    env: { ...wranglerEnv(home), CI: 'true' },
    logFile: join(home.logs, 'migrations.log'),
    termination: 'group',
  };
}

/** Single quotes keep a value as it is, JSON too; in double quotes the reader leaves backslashes before quotes. */
function quoted(value: string): string {
  return value.includes("'") ? JSON.stringify(value) : `'${value}'`;
}
