// Whose account is deployed to.
import { z } from 'zod';
import { PlainFailure } from '../setup/screen.mjs';
import type { DeployOptions } from './options.ts';
import type { Wrangler } from './wrangler.ts';

const Identity = z.object({
  loggedIn: z.boolean(),
  accounts: z.array(z.object({ id: z.string(), name: z.string() })).default([]),
});

export type Account = z.infer<typeof Identity>['accounts'][number];

const SIGN_IN =
  'run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN (docs/deploy.md lists its permissions)';

/** Undefined where nobody is signed in and a dry run is asked for. @throws PlainFailure otherwise */
export async function findAccount(
  wrangler: Wrangler,
  options: Pick<DeployOptions, 'accountId'>,
): Promise<Account | undefined> {
  const { accounts } = await whoAmI(wrangler);
  if (accounts.length === 0) {
    if (wrangler.isDryRun) return undefined;
    throw new PlainFailure(`not signed in to Cloudflare: ${SIGN_IN}`);
  }
  if (options.accountId === undefined && accounts.length === 1) return accounts[0];
  const chosen = accounts.find(({ id }) => id === options.accountId);
  if (chosen) return chosen;
  const list = accounts.map(({ id, name }) => `    ${id}  ${name}`).join('\n');
  throw new PlainFailure(
    options.accountId === undefined
      ? `you have several accounts: say which with --account ID\n${list}`
      : `the account ${options.accountId} is none of yours\n${list}`,
  );
}

async function whoAmI(wrangler: Wrangler): Promise<z.infer<typeof Identity>> {
  // Ends with 1 and the same JSON where nobody is signed in.
  const answer = await wrangler.read(['whoami', '--json']);
  try {
    return Identity.parse(JSON.parse(answer?.stdout ?? ''));
  } catch {
    throw new PlainFailure(`wrangler does not say who you are: ${SIGN_IN}`);
  }
}
