// `npm run deploy`: the set-up a fresh clone needs, then the deployment under a current Node. Runs on Node 20 with
// nothing installed.
import { ensureDependencies } from '../setup/dependencies.mjs';
import { passThrough, runtimeEnv } from '../setup/run.mjs';
import { findRuntime } from '../setup/runtime.mjs';
import { runMain } from '../setup/screen.mjs';

await runMain(async () => {
  await ensureDependencies();
  const { node, flags } = await findRuntime();
  const args = [...flags, 'local/deploy/main.ts', ...process.argv.slice(2)];
  process.exitCode = await passThrough(node, args, { env: runtimeEnv() });
});
