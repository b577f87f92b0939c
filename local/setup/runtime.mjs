// The Node that runs everything after the set-up: the one from npm on Linux, the system's elsewhere.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { capture, ROOT } from './run.mjs';
import { PlainFailure } from './screen.mjs';

/** @returns {Promise<{ node: string, flags: string[] }>} */
export async function findRuntime() {
  const own = join(ROOT, 'node_modules/.bin/node');
  for (const node of existsSync(own) ? [own, process.execPath] : [process.execPath]) {
    const { code, output } = await capture(node, ['--version']);
    const [major = 0, minor = 0] = output.replace('v', '').split('.').map(Number);
    if (code !== 0 || major < 22 || (major === 22 && minor < 12)) continue;
    // Types are stripped without a flag from 22.18 and 23.6 on.
    const needsFlag = (major === 22 && minor < 18) || (major === 23 && minor < 6);
    return {
      node,
      flags: needsFlag ? ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'] : [],
    };
  }
  throw new PlainFailure(`Node 22.12 or newer is needed on this platform (this is ${process.version})`);
}
