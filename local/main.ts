// The launcher proper, run by start.mjs under a current Node: starts the stack, shows where it is, runs the
// demo, and serves until it is told to stop.

import { createApiClient } from '../transcoder/cli/api-client.ts';
import { failureOf } from '../transcoder/cli/failure.ts';
import { mintToken } from '../transcoder/cli/local-stack.ts';
import { ensureDemoClip, runDemo } from './demo.ts';
import { homeAt } from './home.ts';
import { type LaunchOptions, parseOptions } from './options.ts';
import { bold, dim, line, PlainFailure, row, runMain } from './setup/screen.mjs';
import { type Stack, startStack } from './stack.ts';

const CRON_SECONDS = 10;
const LAUNCHED_AT_MS = Number(process.env.REELAY_LAUNCHED_AT_MS ?? Date.now());

await runMain(async () => {
  const stopping = stopSignal();
  const stopRequest = new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve()));
  const options = parseOptions(process.argv.slice(2), process.env);
  const home = homeAt(options.home);
  const clip = options.hasDemo ? ensureDemoClip(home, stopping) : undefined;
  // Awaited when the stack is up; until then nobody looks at its failure.
  clip?.catch(() => {});
  const stack = await startStack({
    ...options,
    home,
    cronSeconds: CRON_SECONDS,
    onReady: row,
    signal: stopping,
  });
  try {
    announce(stack, options);
    const demo = clip ? showDemo(stack, clip, stopping) : Promise.resolve();
    await Promise.race([stopRequest, stack.broken, demo.then(() => stopRequest)]);
  } finally {
    line();
    line(dim('stopping …'));
    await stack.stop();
  }
});
// A demo that was interrupted may still hold sockets and timers.
process.exit();

function announce(stack: Stack, options: LaunchOptions): void {
  row('transcoders', String(options.transcoders));
  row('ready', 'all parts are up', LAUNCHED_AT_MS);
  line();
  const token = mintToken(stack.secrets, 'admin', 'local');
  // Opened, it signs in; the token is in the fragment, which no server sees.
  row('studio', bold(`${stack.url}/#token=${token}`));
  row('token', token);
  row('state', options.home);
  line();
  line(dim('Ctrl-C stops everything.'));
}

async function showDemo(stack: Stack, clip: Promise<string>, stopping: AbortSignal): Promise<void> {
  line();
  line(bold('Demo'));
  line();
  try {
    const client = createApiClient(stack.url, mintToken(stack.secrets, 'admin', 'local'));
    await runDemo(await clip, client, stopping);
  } catch (error) {
    if (stopping.aborted) return;
    const { code, detail } = failureOf(error);
    throw new PlainFailure(`the demo failed: ${code}: ${detail}`);
  }
}

/** Aborts at the first SIGINT or SIGTERM, or when start.mjs is gone; stopping is bounded in time, so later ones
 * change nothing. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'])
    process.on(event, () => controller.abort());
  return controller.signal;
}
