// What the local stack keeps in its state directory, and tokens minted with its secret. The launcher writes
// these files; commands read them.
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Role } from '../../shared/api.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';

export const LocalSecrets = z.object({
  jwtSecret: z.string().min(32),
  signingKeys: z.string(),
  transcoderSecret: z.string().min(32),
  queueToken: z.string().min(32),
  /** Absent in homes made before there was protection. */
  keysKek: z.string().optional(),
});
export type LocalSecrets = z.infer<typeof LocalSecrets>;

export const SECRETS_FILE = 'secrets.json';
export const URL_FILE = 'url';

const TOKEN_LIFE_SECONDS = 30 * DAY_SECONDS;

/** Where the local stack keeps everything: `REELAY_HOME`, else `.reelay` in the checkout. */
export function localHome(): string {
  return process.env.REELAY_HOME || fileURLToPath(new URL('../../.reelay', import.meta.url));
}

export async function readLocalSecrets(home: string): Promise<LocalSecrets | undefined> {
  const text = await readIfPresent(join(home, SECRETS_FILE));
  return text === undefined ? undefined : LocalSecrets.parse(JSON.parse(text));
}

/** Base URL of the stack that last ran from this home, such as `http://127.0.0.1:8787`. */
export async function readLocalUrl(home: string): Promise<string | undefined> {
  return (await readIfPresent(join(home, URL_FILE)))?.trim();
}

/** A bearer token (RFC 7519, HS256) as the local Worker accepts it. */
export function mintToken(secrets: Pick<LocalSecrets, 'jwtSecret'>, role: Role, subject: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: subject,
    role,
    iss: 'reelay',
    aud: 'reelay',
    iat: now,
    exp: now + TOKEN_LIFE_SECONDS,
  };
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac('sha256', secrets.jwtSecret).update(signed).digest('base64url')}`;
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
