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

/** A stack's home whose database is migrated. Outside of the tests none is, and the stack does it itself. */
export async function migratedHomeAt(directory: string): Promise<Home> {
  const home = homeAt(directory);
  const state = process.env[VARIABLE];
  if (state) await cp(state, home.workerState, { recursive: true });
  return home;
}
