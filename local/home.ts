// The state directory of one stack: what is where in it, and its secrets, made once.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LocalSecrets,
  readLocalSecrets,
  SECRETS_FILE,
  URL_FILE,
} from '../transcoder/cli/local-stack.ts';

export type Home = ReturnType<typeof homeAt>;

export function homeAt(directory: string) {
  return {
    directory,
    workerState: join(directory, 'state'),
    queueState: join(directory, 'queue'),
    registry: join(directory, 'registry'),
    scratch: join(directory, 'scratch'),
    logs: join(directory, 'logs'),
    lockFile: join(directory, 'stack.lock'),
    urlFile: join(directory, URL_FILE),
  };
}

/** Logs and the dev registry belong to one run; all else stays. */
export async function prepareHome(home: Home, isReset: boolean): Promise<void> {
  const stale = isReset ? [home.workerState, home.queueState, join(home.directory, SECRETS_FILE)] : [];
  for (const path of [home.logs, home.registry, ...stale]) await rm(path, { recursive: true, force: true });
  await mkdir(home.logs, { recursive: true });
  await mkdir(home.registry, { recursive: true });
}

export async function ensureSecrets(home: Home): Promise<LocalSecrets> {
  const existing = await readLocalSecrets(home.directory);
  const secret = () => randomBytes(32).toString('base64url');
  const keysKek = `k1:${secret()}`;
  if (existing?.keysKek) return existing;
  if (existing) return await keepSecrets(home, { ...existing, keysKek });
  const secrets = {
    jwtSecret: secret(),
    signingKeys: `k1:${secret()}`,
    transcoderSecret: secret(),
    queueToken: secret(),
    keysKek,
  };
  return await keepSecrets(home, secrets);
}

async function keepSecrets(home: Home, secrets: LocalSecrets): Promise<LocalSecrets> {
  await writePrivate(join(home.directory, SECRETS_FILE), `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

/** Readable by the user alone, also when the file was there with other rights. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
}
