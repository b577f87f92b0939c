// wrangler needs seconds to migrate a new database. It does so once for all end-to-end tests: each of their stacks
// begins with a copy. How a stack migrates its own is seen where the product itself is started.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../../local/child.ts';
import { type Home, homeAt, prepareHome } from '../../local/home.ts';
import { applyMigrations } from '../../local/stack.ts';

/** The processes that tests run in inherit it. */
const VARIABLE = 'REELAY_TEST_MIGRATED_STATE';

export async function setup(): Promise<() => Promise<void>> {
  const home = homeAt(await mkdtemp(join(tmpdir(), 'reelay-migrated-')));
  await prepareHome(home, false);
  await applyMigrations(home, async (command) => startChild(command));
  process.env[VARIABLE] = home.workerState;
  return () => rm(home.directory, { recursive: true });
}

/** Outside of the tests there is no such state, and the stack makes its own. */
export async function copyMigratedState(home: Home): Promise<void> {
  const state = process.env[VARIABLE];
  if (state) await cp(state, home.workerState, { recursive: true });
}
