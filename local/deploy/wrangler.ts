// Runs wrangler for a deployment: reads freely, writes through one door that a dry run keeps shut, and turns its
// failures into one line of what to do. Secrets go in by standard input alone.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ROOT } from '../setup/run.mjs';
import { dim, line, PlainFailure, row } from '../setup/screen.mjs';

export type WranglerResult = { code: number; stdout: string; stderr: string };

/** One run of wrangler, to its end. */
export type RunWrangler = (
  args: string[],
  given: { stdin?: string; env: Record<string, string> },
) => Promise<WranglerResult>;

export type Wrangler = {
  /** A command that changes nothing; undefined where nobody is signed in and a dry run asks. */
  read(args: string[]): Promise<WranglerResult | undefined>;
  /** A command that changes something. A dry run prints it and answers undefined. */
  write(args: string[], input?: WriteInput): Promise<WranglerResult | undefined>;
  /** From now on commands act on this account. */
  actOn(accountId: string | undefined): void;
  /** Something that is written without wrangler, as a command a person knows; a dry run prints that alone. */
  writeOwn(command: string, act: () => Promise<void>): Promise<void>;
  isDryRun: boolean;
};

export type WriteInput = {
  stdin?: string;
  /** What a dry run says of the standard input, in place of it. */
  about?: string;
  env?: Record<string, string>;
};

export function createWrangler(run: RunWrangler, { isDryRun }: { isDryRun: boolean }): Wrangler {
  let env: Record<string, string> = {};
  let isBlind = false;
  return {
    isDryRun,
    actOn(accountId) {
      isBlind = accountId === undefined;
      env = accountId === undefined ? {} : { CLOUDFLARE_ACCOUNT_ID: accountId };
    },
    async read(args) {
      return isBlind ? undefined : run(args, { env });
    },
    async write(args, input = {}) {
      if (isDryRun) {
        line(`${dim('would run')}  wrangler ${args.map(quoted).join(' ')}${input.about ?? ''}`);
        return undefined;
      }
      const result = await run(args, {
        env: { ...env, ...input.env },
        ...(input.stdin !== undefined && { stdin: input.stdin }),
      });
      if (result.code !== 0) throw failureOf(args, result);
      return result;
    },
    async writeOwn(command, act) {
      if (isDryRun) line(`${dim('would run')}  ${command}`);
      else await act();
    },
  };
}

/** What was made; a dry run has shown the command instead. */
export function made({ isDryRun }: Wrangler, name: string, detail: string): void {
  if (!isDryRun) row(name, detail);
}

/** The wrangler of node_modules, or the executable named by REELAY_WRANGLER. */
export const runWrangler: RunWrangler = (args, { stdin, env }) =>
  new Promise((resolve, reject) => {
    const own = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
    const [command, first] = process.env.REELAY_WRANGLER
      ? [process.env.REELAY_WRANGLER, []]
      : [process.execPath, [own]];
    const child = spawn(command, [...first, ...args], {
      cwd: ROOT,
      // Without a terminal wrangler asks nothing.
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...QUIET, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
    // A command that reads nothing may be gone before the input is.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin ?? '');
  });

const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  // Request bodies, and so secrets, stay out of its log files.
  WRANGLER_LOG_SANITIZE: 'true',
  FORCE_COLOR: '0',
};

/** What an operator can do about failures that are not the command's own fault. */
const REMEDIES: [sign: RegExp, remedy: string][] = [
  [
    /\[code: 10042\]|enable R2/i,
    'R2 is not enabled: accept its terms once at https://dash.cloudflare.com/?to=/:account/r2',
  ],
  [
    /\[code: 10000\]|Authentication error|not authorized/i,
    'the token lacks a permission: docs/deploy.md lists those it needs; with a login, run `npx wrangler login` again',
  ],
  [
    /Docker/,
    'the image is built by Docker, which does not answer: start it, or deploy with --no-containers and run transcoders elsewhere',
  ],
  [
    /workers.dev subdomain/i,
    'the account has no workers.dev subdomain yet: open https://dash.cloudflare.com/?to=/:account/workers once',
  ],
  [
    /paid plan|Workers Paid|\[code: 10023\]/i,
    'this needs Workers Paid: https://dash.cloudflare.com/?to=/:account/workers/plans',
  ],
  [/fetch failed|ENOTFOUND|ECONNRE|ETIMEDOUT/, 'Cloudflare was not reached: see to the network'],
];

export function failureOf(args: string[], { stdout, stderr }: WranglerResult): PlainFailure {
  const output = stripVTControlCharacters(`${stderr}\n${stdout}`);
  const said = output
    .split('\n')
    .map((text) => text.replace(/^.*\[ERROR\]\s*/, '').trim())
    .filter((text) => text && !/^(▲|🪵|-|If you think this is a bug)/u.test(text));
  const remedy = REMEDIES.find(([sign]) => sign.test(output))?.[1];
  const words = args.slice(0, 3).join(' ');
  const what = `wrangler ${words} failed: ${said.slice(0, 3).join(' ')}`;
  const then = 'then run npm run deploy again, it goes on from here';
  return new PlainFailure(`${what}\n    ${remedy ? `${remedy}; ${then}` : `set that right, ${then}`}`);
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./<>*-]+$/.test(argument) ? argument : `'${argument}'`;
}
