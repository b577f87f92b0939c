// The variables of transcoders that run elsewhere, for compose.yaml and for other machines.
import { readFile } from 'node:fs/promises';
import type { DeployHome } from './home.ts';

/** Lines that an operator added or changed stay; what the deployment knows better is renewed. */
export async function writeTranscoderEnv(
  home: DeployHome,
  known: { url: string | undefined; accountId: string; queueId: string },
): Promise<void> {
  const { secrets } = await home.read();
  const before = await readFile(home.transcoderEnvFile, 'utf8').catch(() => '');
  const kept = new Map(
    [...before.matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  const renewed = {
    REELAY_URL: known.url,
    QUEUE_ACCOUNT_ID: known.accountId,
    QUEUE_ID: known.queueId,
    // Generated on another machine, it is not known here.
    TRANSCODER_SECRET: secrets.TRANSCODER_SECRET,
  };
  for (const [name, value] of Object.entries(renewed)) if (value !== undefined) kept.set(name, value);
  for (const name of ['TRANSCODER_SECRET', 'QUEUE_TOKEN']) if (!kept.has(name)) kept.set(name, '');
  const lines = [...kept].map(([name, value]) => `${name}=${value}`);
  const header = '# Written by npm run deploy. QUEUE_TOKEN is an API token with the permission Queues: Edit.';
  await home.writePrivate(home.transcoderEnvFile, `${[header, ...lines].join('\n')}\n`);
}
