#!/usr/bin/env node
// `npx reelay` runs this under the Node of node_modules; called directly from an older one it goes there first.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ownNode = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
if (process.features.typescript) {
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else if (existsSync(ownNode)) {
  const self = fileURLToPath(import.meta.url);
  // The command under the current Node hears Ctrl-C as well, and it is the one that answers.
  process.on('SIGINT', () => {});
  const { status } = spawnSync(ownNode, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  console.error(`reelay: Node 22.18 or newer is needed (this is ${process.version})`);
  process.exitCode = 1;
}
