// `npm start` and `npm run dev`: everything a bare machine needs, then the stack itself under a current Node.
// Runs on Node 20 with nothing installed.
import { ensureDependencies } from './setup/dependencies.mjs';
import { passThrough, runtimeEnv } from './setup/run.mjs';
import { findRuntime } from './setup/runtime.mjs';
import { bold, line, runMain } from './setup/screen.mjs';
import { ensureStudio } from './setup/studio.mjs';
import { ensureFfmpeg } from './setup/system-packages.mjs';

await runMain(async () => {
  const launchedAtMs = Date.now();
  line();
  line(bold('Reelay'));
  line();
  await Promise.all([ensureDependencies(), ensureFfmpeg()]);
  const runtime = await findRuntime();
  await ensureStudio(runtime);
  const env = {
    ...runtimeEnv(),
    REELAY_LAUNCHED_AT_MS: String(launchedAtMs),
    NODE_OPTIONS: [process.env.NODE_OPTIONS, ...runtime.flags].filter(Boolean).join(' '),
  };
  process.exitCode = await passThrough(runtime.node, ['local/main.ts', ...process.argv.slice(2)], {
    env,
    // The channel tells the launcher when this process is gone.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
});
