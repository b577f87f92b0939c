// What a deployment says when it cannot go on: one line of what to do, before anything was changed where possible.
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { failureOf } from '../../local/deploy/wrangler.ts';
import { LOADING, newDeployment, OPERATOR } from '../support/deployment.ts';
import { emptyAccount } from '../support/wrangler-stand-in.ts';

beforeAll(LOADING.work, LOADING.timeoutMs);
beforeEach(() => {
  for (const [name, value] of Object.entries(OPERATOR)) vi.stubEnv(name, value);
  return () => vi.unstubAllEnvs();
});

describe('before it begins', () => {
  test.each(['R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY'])('it names %s where it cannot ask', async (name) => {
    vi.stubEnv(name, '');
    await using deployment = await newDeployment();
    await expect(deployment.run()).rejects.toThrow(`${name} is not in the environment`);
    expect(deployment.writes()).toEqual([]);
    vi.stubEnv(name, 'there now');
    await deployment.run();
    expect(deployment.account.worker?.secrets[name]).toBe('there now');
  });

  test('it asks for QUEUE_TOKEN where Containers will pull, and only there', async () => {
    vi.stubEnv('QUEUE_TOKEN', '');
    await using deployment = await newDeployment();
    await expect(deployment.run(['--yes', '--containers'])).rejects.toThrow(
      'QUEUE_TOKEN is not in the environment',
    );
    await deployment.run(['--yes']);
  });

  test('it asks at the terminal, and goes on only when told to', async () => {
    vi.stubEnv('R2_ACCESS_KEY_ID', '');
    const answers = { secret: 'typed in', isSure: false };
    const ask = {
      isInteractive: true,
      secret: async () => answers.secret,
      confirm: async () => answers.isSure,
    };
    await using deployment = await newDeployment(emptyAccount(), { ask });
    await expect(deployment.run([])).rejects.toThrow('nothing was changed');
    expect(deployment.writes()).toEqual([]);
    answers.isSure = true;
    await deployment.run([]);
    expect(deployment.account.worker?.secrets.R2_ACCESS_KEY_ID).toBe('typed in');
  });

  test('it wants --yes where nobody is there to ask', async () => {
    await using deployment = await newDeployment();
    await expect(deployment.run([])).rejects.toThrow('add --yes');
    expect(deployment.writes()).toEqual([]);
  });

  test('it wants to know which of several accounts, and takes none of others', async () => {
    const accounts = [
      { id: 'acc1', name: 'Ada' },
      { id: 'acc2', name: 'Babbage & Co' },
    ];
    await using deployment = await newDeployment({ ...emptyAccount(), accounts });
    await expect(deployment.run()).rejects.toThrow('say which with --account ID');
    await expect(deployment.run(['--yes', '--account', 'acc3'])).rejects.toThrow('acc3 is none of yours');
    await deployment.run(['--yes', '--account', 'acc2']);
    await expect(deployment.run(['--yes', '--account', 'acc1'])).rejects.toThrow(
      'this checkout deploys to the account acc2',
    );
  });

  test.each([
    ['--url', 'https://example.com/path'],
    ['--origin', 'example.com'],
    ['--token', 'owner'],
  ])('it refuses %s %s', async (flag, value) => {
    await using deployment = await newDeployment();
    await expect(deployment.run(['--yes', flag, value])).rejects.toThrow(flag);
  });
});

describe('a failure of wrangler', () => {
  const failed = (stderr: string) =>
    failureOf(['r2', 'bucket', 'create', 'x'], { code: 1, stdout: '', stderr }).message;

  test.each([
    ['Please enable R2 through the Cloudflare Dashboard. [code: 10042]', 'R2 is not enabled'],
    ['Authentication error [code: 10000]', 'the token lacks a permission'],
    ['The Docker CLI could not be launched', 'the image is built by Docker'],
    ['fetch failed', 'Cloudflare was not reached'],
  ])('%s: is explained', (said, remedy) => {
    const message = failed(`✘ [ERROR] A request to the Cloudflare API failed.\n\n  ${said}\n`);
    expect(message).toContain(said);
    expect(message).toContain(remedy);
    expect(message).toContain('run npm run deploy again');
  });

  test('is told as it is where nothing is known of it', () => {
    expect(failed('✘ [ERROR] Something new. [code: 4711]\n')).toBe(
      'wrangler r2 bucket create failed: Something new. [code: 4711]\n    set that right, then run npm run deploy again, it goes on from here',
    );
  });
});
