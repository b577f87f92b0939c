// An account and the wrangler commands a deployment runs on it, in memory: what they read, write and print is
// wrangler 4.135's own, as its source has it. Gaps: one page of every list, no permissions, and what is deployed never
// runs.
import { appendFileSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { WranglerResult } from '../../local/deploy/wrangler.ts';

type CorsRule = {
  allowed: { origins: string[]; methods: string[]; headers?: string[] };
  exposeHeaders?: string[];
  maxAgeSeconds?: number;
};
type LifecycleRule = { id: string; abortDays: number };

export type StandInAccount = {
  accounts: { id: string; name: string }[];
  buckets: Record<string, { cors: CorsRule[]; lifecycle: LifecycleRule[] }>;
  databases: { uuid: string; name: string }[];
  queues: Record<string, { id: string; pullConsumer?: string[] }>;
  worker?: { secrets: Record<string, string>; config?: Record<string, unknown> };
  migrated: string[];
};

export function emptyAccount(): StandInAccount {
  return { accounts: [{ id: 'acc1', name: 'Ada' }], buckets: {}, databases: [], queues: {}, migrated: [] };
}

const URL_OF_WORKER = 'https://reelay.ada.workers.dev';

/** @param root where paths in commands begin */
export function runOn(
  account: StandInAccount,
  args: string[],
  { stdin = '', env = {} }: { stdin?: string; env?: Record<string, string | undefined> },
  root: string,
): WranglerResult {
  const found = COMMANDS.find(([words]) => words.every((word, index) => args[index] === word));
  if (!found) return fail(`Unknown arguments: ${args.join(' ')}`);
  const [words, command] = found;
  const isOpen = words[0] === 'whoami' || account.accounts.length > 0;
  if (!isOpen) return fail('In a non-interactive environment, it’s necessary to set a CLOUDFLARE_API_TOKEN');
  return command(account, { rest: args.slice(words.length), stdin, env, root });
}

type Given = { rest: string[]; stdin: string; env: Record<string, string | undefined>; root: string };
type Command = (account: StandInAccount, given: Given) => WranglerResult;

const COMMANDS: [words: string[], command: Command][] = [
  [
    ['whoami', '--json'],
    ({ accounts }) =>
      accounts.length > 0
        ? say(JSON.stringify({ loggedIn: true, authType: 'OAuth Token', email: 'ada@example.com', accounts }))
        : { code: 1, stdout: '{"loggedIn":false}', stderr: '' },
  ],
  [
    ['secret', 'list'],
    ({ worker }) =>
      worker
        ? say(JSON.stringify(Object.keys(worker.secrets).map((name) => ({ name, type: 'secret_text' }))))
        : fail(
            'Worker "reelay" not found.\n\nIf this is a new Worker, run `wrangler deploy` first to create it.',
          ),
  ],
  [
    ['secret', 'bulk'],
    (account, { stdin }) => {
      account.worker ??= { secrets: {} };
      Object.assign(account.worker.secrets, JSON.parse(stdin));
      return say(`✨ ${Object.keys(JSON.parse(stdin)).length} secrets successfully created`);
    },
  ],
  [
    ['r2', 'bucket', 'lifecycle', 'list'],
    (account, { rest: [name = ''] }) =>
      inBucket(account, name, ({ lifecycle }) =>
        say(
          `Listing lifecycle rules for bucket '${name}'...\n${labelled(
            lifecycle.map(({ id, abortDays }) => ({
              name: id,
              enabled: 'Yes',
              prefix: '(all prefixes)',
              action: `Abort incomplete multipart uploads after ${abortDays} days`,
            })),
          )}`,
        ),
      ),
  ],
  [
    ['r2', 'bucket', 'lifecycle', 'add'],
    (account, { rest: [name = '', id = '', ...flags] }) =>
      inBucket(account, name, ({ lifecycle }) => {
        lifecycle.push({ id, abortDays: Number(flags[flags.indexOf('--abort-multipart-days') + 1]) });
        return say(`✨ Added lifecycle rule '${id}' to bucket '${name}'.`);
      }),
  ],
  [
    ['r2', 'bucket', 'cors', 'list'],
    (account, { rest: [name = ''] }) =>
      inBucket(account, name, ({ cors }) =>
        cors.length === 0
          ? fail('The CORS configuration does not exist. [code: 10059]')
          : say(
              `Listing CORS rules for bucket '${name}'...\n${labelled(
                cors.map((rule) => ({
                  allowed_origins: rule.allowed.origins.join(', '),
                  allowed_methods: rule.allowed.methods.join(', '),
                  allowed_headers: rule.allowed.headers?.join(', ') || '(no headers)',
                  exposed_headers: rule.exposeHeaders?.join(', ') || '(no exposed headers)',
                  max_age_seconds: rule.maxAgeSeconds?.toString() || '(0 seconds)',
                })),
              )}`,
            ),
      ),
  ],
  [
    ['r2', 'bucket', 'cors', 'set'],
    (account, { rest: [name = '', flag, file = ''], root }) =>
      inBucket(account, name, (bucket) => {
        if (flag !== '--file') return fail('Missing required argument: file');
        bucket.cors = JSON.parse(readFileSync(resolve(root, file), 'utf8')).rules;
        return say(`✨ Set CORS configuration for bucket '${name}'.`);
      }),
  ],
  [
    ['r2', 'bucket', 'create'],
    ({ buckets }, { rest: [name = ''] }) => {
      if (buckets[name]) return fail('The bucket you tried to create already exists. [code: 10004]');
      buckets[name] = { cors: [], lifecycle: [] };
      return say(`✅ Created bucket '${name}'`);
    },
  ],
  [['d1', 'list', '--json'], ({ databases }) => say(JSON.stringify(databases, null, 2))],
  [
    ['d1', 'create'],
    ({ databases }, { rest: [name = ''] }) => {
      if (databases.some((database) => database.name === name))
        return fail('A database with that name already exists');
      databases.push({ uuid: `uuid-of-${name}`, name });
      return say(`✅ Successfully created DB '${name}'`);
    },
  ],
  [
    ['d1', 'migrations', 'apply', 'DB', '--remote'],
    (account, { rest, root }) => {
      const config = configOf(rest, root);
      const id = config.d1_databases?.find(({ binding }) => binding === 'DB')?.database_id;
      if (!account.databases.some(({ uuid }) => uuid === id))
        return fail(`Couldn't find a D1 DB with id ${id}`);
      account.migrated = ['all'];
      return say('✅ No migrations to apply!');
    },
  ],
  [
    ['queues', 'info'],
    ({ queues }, { rest: [name = ''] }) => {
      const queue = queues[name];
      if (!queue)
        return fail(`Queue "${name}" does not exist. To create it, run: wrangler queues create ${name}`);
      const consumers = queue.pullConsumer
        ? 'Number of Consumers: 1\nConsumers: HTTP Pull Consumer.\nPull messages using:\ncurl …'
        : 'Number of Consumers: 0';
      return say(`Queue Name: ${name}\nQueue ID: ${queue.id}\nNumber of Producers: 0\n${consumers}`);
    },
  ],
  [
    ['queues', 'create'],
    ({ queues }, { rest: [name = ''] }) => {
      if (queues[name]) return fail(`Queue name '${name}' is already taken. [code: 11009]`);
      queues[name] = { id: `id-of-${name}` };
      return say(`✅ Created queue '${name}'`);
    },
  ],
  [
    ['queues', 'consumer', 'http', 'add'],
    ({ queues }, { rest: [name = '', ...settings] }) => {
      const queue = queues[name];
      if (!queue) return fail(`Queue "${name}" does not exist.`);
      if (queue.pullConsumer) return fail(`Queue '${name}' already has a consumer. [code: 11004]`);
      queue.pullConsumer = settings;
      return say(`Added consumer to queue ${name}.`);
    },
  ],
  [
    ['deploy'],
    (account, { rest, env, root }) => {
      const config = configOf(rest, root);
      for (const { queue } of config.queues?.producers ?? [])
        if (!account.queues[queue]) return fail(`Queue "${queue}" does not exist.`);
      const taken = Object.keys(config.vars ?? {}).find((name) => name in (account.worker?.secrets ?? {}));
      if (taken) return fail(`Binding name '${taken}' already in use. [code: 10053]`);
      account.worker = { secrets: account.worker?.secrets ?? {}, config };
      const output = { type: 'deploy', version: 1, targets: ['Producer for reelay-tickets', URL_OF_WORKER] };
      if (env.WRANGLER_OUTPUT_FILE_PATH)
        appendFileSync(env.WRANGLER_OUTPUT_FILE_PATH, `${JSON.stringify(output)}\n`);
      return say(`Uploaded reelay\n  ${URL_OF_WORKER}`);
    },
  ],
];

type StandInConfig = {
  d1_databases?: { binding: string; database_id: string }[];
  queues?: { producers: { queue: string }[] };
  vars?: Record<string, unknown>;
};

function configOf(args: string[], root: string): StandInConfig & Record<string, unknown> {
  return JSON.parse(readFileSync(resolve(root, args[args.indexOf('--config') + 1] ?? ''), 'utf8'));
}

function inBucket(
  account: StandInAccount,
  name: string,
  act: (bucket: StandInAccount['buckets'][string]) => WranglerResult,
): WranglerResult {
  const bucket = account.buckets[name];
  return bucket ? act(bucket) : fail('The specified bucket does not exist. [code: 10006]');
}

function labelled(rows: Record<string, string>[]): string {
  const line = ([label, value]: [string, string]) => `${`${label}:`.padEnd(18)}${value}`;
  return rows.map((row) => Object.entries(row).map(line).join('\n')).join('\n\n');
}

function say(stdout: string): WranglerResult {
  return { code: 0, stdout: `${stdout}\n`, stderr: '' };
}

function fail(message: string): WranglerResult {
  return { code: 1, stdout: '', stderr: `✘ [ERROR] ${message}\n\n🪵  Logs were written to "x.log"\n` };
}
