// A deployment to an account that is not there: the commands are wrangler's, what answers them is a stand-in.
import { readFile } from 'node:fs/promises';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { LOADING, newDeployment, OPERATOR } from '../support/deployment.ts';
import { emptyAccount } from '../support/wrangler-stand-in.ts';

beforeAll(LOADING.work, LOADING.timeoutMs);
beforeEach(() => {
  for (const [name, value] of Object.entries(OPERATOR)) vi.stubEnv(name, value);
  return () => vi.unstubAllEnvs();
});

/** What transcoders and tokens need is known here too. */
const GENERATED = ['JWT_SECRET', 'KEYS_KEK', 'METRICS_TOKEN', 'SIGNING_KEYS', 'TRANSCODER_SECRET'];

/** Secrets are made at random: of two accounts, names alone can be the same. */
function shapeOf({ worker, ...rest }: ReturnType<typeof emptyAccount>) {
  const { secrets = {}, config } = worker ?? {};
  return { ...rest, secrets: Object.keys(secrets).sort(), config };
}

describe('a first deployment', () => {
  test('makes all that the Worker needs, secrets before it goes live, and says where it is', async () => {
    await using deployment = await newDeployment();
    await deployment.run();
    const { account } = deployment;
    expect(Object.keys(account.queues)).toEqual([
      'reelay-tickets',
      'reelay-watch',
      'reelay-tickets-dead',
      'reelay-watch-dead',
    ]);
    expect(account.queues['reelay-tickets']?.pullConsumer).toContain('reelay-tickets-dead');
    expect(account.buckets['reelay-media']).toEqual({
      lifecycle: [{ id: 'abort incomplete uploads', abortDays: 7 }],
      cors: [
        {
          allowed: {
            origins: ['https://reelay.ada.workers.dev'],
            methods: ['PUT'],
            headers: expect.arrayContaining(['content-type']),
          },
          exposeHeaders: ['ETag'],
          maxAgeSeconds: 3600,
        },
      ],
    });
    expect(account.databases).toEqual([{ name: 'reelay', uuid: 'uuid-of-reelay' }]);
    expect(account.migrated).toEqual(['all']);
    expect(Object.keys(account.worker?.secrets ?? {}).sort()).toEqual([
      ...[
        'JWT_SECRET',
        'KEYS_KEK',
        'METRICS_TOKEN',
        'R2_ACCESS_KEY_ID',
        'R2_SECRET_ACCESS_KEY',
        'SIGNING_KEYS',
      ],
      'TRANSCODER_SECRET',
    ]);
    const writes = deployment.writes();
    expect(writes.findIndex((command) => command.startsWith('secret bulk'))).toBeLessThan(
      writes.findIndex((command) => command.startsWith('deploy')),
    );
    expect(deployment.seen.join('\n')).toContain('https://reelay.ada.workers.dev/');
  });

  test('tells the Worker the database and the storage of this account, and starts no containers', async () => {
    await using deployment = await newDeployment();
    await deployment.run();
    expect(await deployment.overlay()).toMatchObject({
      d1_databases: [{ binding: 'DB', database_id: 'uuid-of-reelay' }],
      vars: { R2_S3_ENDPOINT: 'https://acc1.r2.cloudflarestorage.com', CONTAINERS: 'off' },
    });
    expect(await deployment.overlay()).not.toHaveProperty('containers');
  });

  test('gives Containers what they read, the address of the Worker among it', async () => {
    await using deployment = await newDeployment();
    await deployment.run(['--yes', '--containers']);
    expect(deployment.account.worker?.config).toMatchObject({
      containers: [{ class_name: 'Transcoder' }],
      vars: {
        CONTAINERS: 'on',
        MAX_CONTAINERS: '5',
        REELAY_URL: 'https://reelay.ada.workers.dev',
        QUEUE_ACCOUNT_ID: 'acc1',
        QUEUE_ID: 'id-of-reelay-tickets',
      },
    });
    expect(deployment.account.worker?.secrets.QUEUE_TOKEN).toBe(OPERATOR.QUEUE_TOKEN);
    await deployment.run();
    expect((await deployment.overlay()) as object, 'and keeps them on').toHaveProperty('containers');
  });

  test('writes the variables of transcoders elsewhere for the user alone, and keeps what was added', async () => {
    await using deployment = await newDeployment();
    await deployment.run();
    const { transcoderEnvFile: file } = deployment.home;
    const first = await readFile(file, 'utf8');
    expect(first).toContain(`TRANSCODER_SECRET=${deployment.account.worker?.secrets.TRANSCODER_SECRET}\n`);
    expect(first).toMatch(/^QUEUE_ID=id-of-reelay-tickets$/m);
    await deployment.home.writePrivate(file, first.replace('QUEUE_TOKEN=', 'QUEUE_TOKEN=mine'));
    await deployment.run();
    expect(await readFile(file, 'utf8')).toMatch(/^QUEUE_TOKEN=mine$/m);
  });
});

describe('a further deployment', () => {
  test('makes nothing that is there, and deploys', async () => {
    await using deployment = await newDeployment();
    await deployment.run();
    const { length } = deployment.calls;
    const before = structuredClone(deployment.account);
    await deployment.run();
    const overlay = `--config ${deployment.home.overlayFile}`;
    const second = deployment.calls.slice(length).map(({ command }) => command);
    expect(second.filter((command) => deployment.writes().includes(command))).toEqual([
      `d1 migrations apply DB --remote ${overlay}`,
      `deploy ${overlay}`,
    ]);
    expect(deployment.account).toEqual(before);
  });

  test('leaves secrets and rules of others as they are', async () => {
    const theirs = {
      allowed: { origins: ['https://other.example'], methods: ['GET'], headers: [] },
      exposeHeaders: [],
      maxAgeSeconds: 60,
    };
    const account = emptyAccount();
    account.buckets['reelay-media'] = { cors: [theirs], lifecycle: [{ id: 'Default', abortDays: 7 }] };
    account.worker = { secrets: { JWT_SECRET: 'their own', R2_S3_ENDPOINT: 'https://their.example' } };
    await using deployment = await newDeployment(account);
    await deployment.run(['--yes', '--origin', 'https://app.example']);
    expect(account.worker.secrets.JWT_SECRET).toBe('their own');
    expect(account.worker.config?.vars).not.toHaveProperty('R2_S3_ENDPOINT');
    expect(account.buckets['reelay-media'].lifecycle).toEqual([{ id: 'Default', abortDays: 7 }]);
    expect(account.buckets['reelay-media'].cors).toEqual([
      theirs,
      expect.objectContaining({
        allowed: expect.objectContaining({
          origins: ['https://reelay.ada.workers.dev', 'https://app.example'],
        }),
      }),
    ]);
  });
});

describe('a deployment that fails', () => {
  test('at any call, before or after its effect or by a refusal, is finished by the next one', async () => {
    await using whole = await newDeployment();
    await whole.run(['--yes', '--containers']);
    const shape = shapeOf(whole.account);
    expect(whole.calls.length).toBeGreaterThan(20);
    for (let atCall = 1; atCall <= whole.calls.length; atCall++) {
      for (const how of ['before', 'after', 'refused'] as const) {
        await using deployment = await newDeployment();
        const place = `${how}, call ${atCall}: ${whole.calls[atCall - 1]?.command}`;
        const failed = deployment.run(['--yes', '--containers'], { atCall, how });
        await expect(failed, place).rejects.toThrow(
          how === 'refused' ? /npm run deploy again|npx wrangler login/ : 'the power is gone',
        );
        await deployment.run(['--yes', '--containers']);
        expect(shapeOf(deployment.account), place).toEqual(shape);
        const { secrets } = await deployment.home.read();
        expect(Object.keys(secrets).sort(), place).toEqual(GENERATED);
        expect(deployment.account.worker?.secrets, 'what is kept here is what is there').toMatchObject(
          secrets,
        );
      }
    }
  }, 30_000);
});

test('no secret is printed or part of a command', async () => {
  await using deployment = await newDeployment();
  await deployment.run(['--dry-run', '--containers']);
  await deployment.run(['--yes', '--containers']);
  const secrets = Object.values(deployment.account.worker?.secrets ?? {});
  expect(secrets).toHaveLength(8);
  const open = [...deployment.seen, ...deployment.calls.map(({ command }) => command)].join('\n');
  for (const secret of secrets) expect(open).not.toContain(secret.replace(/^k1:/, ''));
  const given = deployment.calls.filter(({ stdin }) => stdin !== '').map(({ command }) => command);
  expect(given).toEqual([`secret bulk --config ${deployment.home.overlayFile}`]);
});

describe('a dry run', () => {
  test('shows the commands of the deployment that would follow, and runs none of them', async () => {
    await using deployment = await newDeployment();
    await deployment.run(['--dry-run']);
    expect(deployment.writes()).toEqual([]);
    expect(deployment.account).toEqual(emptyAccount());
    await expect(deployment.home.read()).resolves.toMatchObject({ secrets: {} });
    const shown = deployment.seen.flatMap((line) => /would run {2}wrangler (.*)/.exec(line)?.[1] ?? []);
    await deployment.run();
    const commandOf = (line: string) => line.replaceAll("'", '').split('   ')[0];
    expect(shown.map(commandOf)).toEqual(deployment.writes());
  });

  test('needs nobody to be signed in', async () => {
    await using deployment = await newDeployment({ ...emptyAccount(), accounts: [] });
    await deployment.run(['--dry-run']);
    expect(deployment.seen.join('\n')).toContain('would run  wrangler d1 create reelay');
    await expect(deployment.run()).rejects.toThrow('not signed in to Cloudflare: run `npx wrangler login`');
  });
});
