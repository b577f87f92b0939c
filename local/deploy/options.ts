// How a deployment was asked for, checked before anything else happens.
import { parseArgs } from 'node:util';
import { Role } from '../../shared/api.ts';
import { PlainFailure } from '../setup/screen.mjs';

export type DeployOptions = {
  /** Prints every command and runs none that writes. */
  isDryRun: boolean;
  /** Asks nothing: what it would ask for comes from the environment. */
  isUnattended: boolean;
  /** Cloudflare Containers run the transcoders; undefined leaves it as it was. */
  containers: boolean | undefined;
  accountId: string | undefined;
  /** Where the Worker is reached, when that is not what `wrangler deploy` says. */
  url: string | undefined;
  /** Further pages that may upload straight to the bucket. */
  origins: string[];
  /** Prints a bearer token for what is deployed, and does nothing else. */
  tokenRole: Role | undefined;
  isHelp: boolean;
};

export const USAGE = `npm run deploy -- [options]

  --dry-run          print every command, run none that writes
  --yes              ask nothing; secrets come from the environment
  --containers       run the transcoders on Cloudflare Containers (--no-containers: elsewhere)
  --account ID       the account, where you have several (or CLOUDFLARE_ACCOUNT_ID)
  --url URL          where the Worker is reached, for a domain of your own
  --origin ORIGIN    a page that may upload straight to the bucket; may be given more than once
  --token ROLE       print a bearer token (admin, uploader, viewer) for what is deployed, and stop`;

/** @throws PlainFailure naming the wrong option */
export function parseDeployOptions(args: string[], env: NodeJS.ProcessEnv): DeployOptions {
  const values = readFlags(args);
  const role = values.token === undefined ? undefined : Role.safeParse(values.token);
  if (role?.success === false) throw new PlainFailure('--token is one of admin, uploader, viewer');
  return {
    isDryRun: values['dry-run'] === true,
    isUnattended: values.yes === true,
    containers: values.containers,
    accountId: values.account ?? env.CLOUDFLARE_ACCOUNT_ID,
    url: values.url === undefined ? undefined : originOf('--url', values.url),
    origins: (values.origin ?? []).map((origin) => originOf('--origin', origin)),
    tokenRole: role?.data,
    isHelp: values.help === true,
  };
}

function readFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      allowNegative: true,
      options: {
        'dry-run': { type: 'boolean' },
        yes: { type: 'boolean', short: 'y' },
        containers: { type: 'boolean' },
        account: { type: 'string' },
        url: { type: 'string' },
        origin: { type: 'string', multiple: true },
        token: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new PlainFailure(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function originOf(name: string, text: string): string {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search) return url.origin;
  throw new PlainFailure(`${name} is an origin such as https://video.example.com, not ${text}`);
}
