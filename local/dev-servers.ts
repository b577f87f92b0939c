// The two dev servers of a stack: what each is given, and when it counts as up.
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalSecrets } from '../transcoder/cli/local-stack.ts';
import { type Child, logTail } from './child.ts';
import type { Home } from './home.ts';
import { PlainFailure } from './setup/screen.mjs';
import type { DevServer } from './wrangler.ts';

const START_SECONDS = 60;

export function queueServer(home: Home, port: number, secrets: LocalSecrets): DevServer {
  const variables = { QUEUE_TOKEN: secrets.queueToken };
  return {
    name: 'queue',
    config: 'local/queue/wrangler.toml',
    port,
    stateDirectory: home.queueState,
    variables,
  };
}

export function workerServer(
  home: Home,
  port: number,
  secrets: LocalSecrets,
  extra: Record<string, string>,
): DevServer {
  const variables = {
    JWT_SECRET: secrets.jwtSecret,
    SIGNING_KEYS: secrets.signingKeys,
    TRANSCODER_SECRET: secrets.transcoderSecret,
    ...(secrets.keysKek && { KEYS_KEK: secrets.keysKek }),
    // Of wrangler.toml's `local_dev.experimental_s3_credentials`.
    R2_S3_ENDPOINT: `http://127.0.0.1:${port}/cdn-cgi/local/r2/s3`,
    R2_ACCESS_KEY_ID: 'reelay-local',
    R2_SECRET_ACCESS_KEY: 'reelay-local-secret',
    ...extra,
  };
  return { name: 'worker', config: 'wrangler.toml', port, stateDirectory: home.workerState, variables };
}

/** @throws PlainFailure with the end of its log when it dies or stays silent */
export async function untilHealthy(child: Child, url: string, signal?: AbortSignal): Promise<void> {
  const deadlineMs = Date.now() + START_SECONDS * 1000;
  while (Date.now() < deadlineMs) {
    if (signal?.aborted) throw new PlainFailure('stopped before it was up');
    if (child.hasEnded())
      throw new PlainFailure(`the ${child.name} ended while starting\n${await logTail(child)}`);
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await sleep(100);
  }
  throw new PlainFailure(`the ${child.name} was not ready after ${START_SECONDS} s\n${await logTail(child)}`);
}
