import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { expect, it } from 'vitest';
import { homeAt } from '../../local/home.ts';
import { devServerCommand } from '../../local/wrangler.ts';

it('a dev server gets its variables as they are, JSON and signs of all kinds', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reelay-variables-'));
  const variables = {
    PLAIN: 'k1:secret-0123456789',
    JSON_OBJECT: '{"url":"https://licenses.example.com/","headers":{"X-Key":"a, b=c #d"}}',
    APOSTROPHE: "it's",
  };
  const server = {
    name: 'worker' as const,
    config: 'wrangler.toml',
    port: 1,
    stateDirectory: directory,
    variables,
  };
  const { args } = await devServerCommand(homeAt(directory), server);
  const file = args[args.indexOf('--env-file') + 1]!;
  expect(parseEnv(await readFile(file, 'utf8'))).toEqual(variables);
  await rm(directory, { recursive: true });
});
