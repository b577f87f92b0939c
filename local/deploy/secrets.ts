// The Worker's secrets: generated where nobody else has to know them, asked for where Cloudflare issues them. They
// are never printed and never part of a command line.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { PlainFailure, row } from '../setup/screen.mjs';
import type { Ask } from './ask.ts';
import type { DeployHome } from './home.ts';
import { failureOf, made, type Wrangler } from './wrangler.ts';

/** A rotation is an operator's act (docs/operations.md): what the Worker has is never made anew here. */
const GENERATED: Record<string, () => string> = {
  JWT_SECRET: () => randomSecret(),
  SIGNING_KEYS: () => `k1:${randomSecret()}`,
  TRANSCODER_SECRET: () => randomSecret(),
  KEYS_KEK: () => `k1:${randomSecret()}`,
  METRICS_TOKEN: () => randomSecret(),
};

type Asked = { name: string; what: string; where: string };

export function askedSecrets(accountId: string, bucket: string, hasContainers: boolean): Asked[] {
  const r2 = `an R2 API token with "Object Read & Write" on ${bucket}: https://dash.cloudflare.com/${accountId}/r2/api-tokens`;
  const queues = `an API token with the permission Queues: Edit, for transcoders to pull: https://dash.cloudflare.com/profile/api-tokens`;
  return [
    { name: 'R2_ACCESS_KEY_ID', what: 'Access Key ID', where: r2 },
    { name: 'R2_SECRET_ACCESS_KEY', what: 'Secret Access Key', where: r2 },
    ...(hasContainers ? [{ name: 'QUEUE_TOKEN', what: 'token', where: queues }] : []),
  ];
}

/** Names alone; values cannot be read back. Empty where the Worker is not there yet. */
export async function deployedSecrets(wrangler: Wrangler, worker: string): Promise<Set<string>> {
  const args = ['secret', 'list', '--format', 'json', '--name', worker];
  const answer = await wrangler.read(args);
  if (!answer) return new Set();
  if (answer.code === 0) {
    const secrets = z.array(z.object({ name: z.string() })).parse(JSON.parse(answer.stdout));
    return new Set(secrets.map(({ name }) => name));
  }
  if (/Worker ".*".* not found|\[code: 10007\]/.test(answer.stderr + answer.stdout)) return new Set();
  throw failureOf(args, answer);
}

/**
 * Everything the Worker lacks, before anything is changed: from the environment, from what an earlier run generated
 * and kept, made now, or asked for.
 * @throws PlainFailure naming what is missing where nobody can be asked
 */
export async function gatherSecrets(
  present: Set<string>,
  wanted: { asked: Asked[]; given: Set<string>; home: DeployHome; ask: Ask; isDryRun: boolean },
): Promise<Record<string, string>> {
  const lacks = (name: string) => !present.has(name) && !wanted.given.has(name);
  const { secrets: kept } = await wanted.home.read();
  const generated = Object.entries(GENERATED)
    // Tokens of an identity provider need no secret of ours.
    .filter(([name]) => lacks(name) && !(name === 'JWT_SECRET' && wanted.given.has('JWT_JWKS_URL')))
    .map(([name, make]) => [name, process.env[name] || kept[name] || make()] as const);
  const asked: [string, string][] = [];
  const missing = wanted.asked.filter(({ name }) => lacks(name));
  let explained = '';
  for (const { name, what, where } of missing) {
    const known = process.env[name] || (wanted.isDryRun ? '<asked for>' : undefined);
    if (known === undefined && wanted.ask.isInteractive && where !== explained) row('needed', where);
    if (known === undefined) explained = where;
    asked.push([name, known ?? (await answerTo(wanted.ask, { name, what, where }))]);
  }
  // Kept before they are sent: a run that dies in between finds them again.
  const fresh = Object.fromEntries(generated);
  if (!wanted.isDryRun && generated.length > 0)
    await wanted.home.remember({ secrets: { ...kept, ...fresh } });
  return { ...fresh, ...Object.fromEntries(asked) };
}

async function answerTo(ask: Ask, { name, what, where }: Asked): Promise<string> {
  if (!ask.isInteractive) throw new PlainFailure(`${name} is not in the environment; make ${where}`);
  const value = await ask.secret(`${name} (its ${what}): `);
  if (!value) throw new PlainFailure(`${name} is needed; run npm run deploy again when you have it`);
  return value;
}

export async function putSecrets(
  wrangler: Wrangler,
  home: DeployHome,
  secrets: Record<string, string>,
): Promise<void> {
  const names = Object.keys(secrets);
  if (names.length === 0) {
    row('secrets', 'all are there');
    return;
  }
  await wrangler.write(['secret', 'bulk', '--config', home.overlayFile], {
    stdin: JSON.stringify(secrets),
    about: `   (standard input: ${names.join(', ')})`,
  });
  made(wrangler, 'secrets', `${names.join(', ')} set`);
}

function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}
