// `npm run check`: format and lint, types, layering, and that the Worker bundles for a deployment.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureDependencies } from './setup/dependencies.mjs';
import { capture, runtimeEnv } from './setup/run.mjs';
import { findRuntime } from './setup/runtime.mjs';
import { line, row, runMain } from './setup/screen.mjs';
import { ensureStudio } from './setup/studio.mjs';

/**
 * Runs every step, shows one line for each and the output of those that fail.
 * @param {{ node: string, flags: string[] }} runtime
 * @returns {Promise<number>} how many steps failed
 */
export async function runChecks(runtime) {
  const bundle = await mkdtemp(join(tmpdir(), 'reelay-bundle-'));
  const wranglerEnv = {
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: bundle,
  };
  const dryRun = ['deploy', '--dry-run', '--containers-rollout=none', '--outdir', bundle];
  /** @type {[name: string, script: string, args: string[]][]} */
  const steps = [
    ['format, lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings']],
    ['types', 'node_modules/typescript/bin/tsc', ['-b']],
    ['layering', 'node_modules/vitest/vitest.mjs', ['run', '--project', 'unit', 'test/layering.test.ts']],
    ['bundle', 'node_modules/wrangler/bin/wrangler.js', dryRun],
  ];
  const env = { ...runtimeEnv(), ...wranglerEnv };
  let failed = 0;
  for (const [name, script, args] of steps) {
    const startedAtMs = Date.now();
    const { code, output } = await capture(runtime.node, [...runtime.flags, script, ...args], { env });
    row(name, code === 0 ? 'ok' : 'failed', startedAtMs);
    if (code === 0) continue;
    failed += 1;
    console.log(output);
  }
  await rm(bundle, { recursive: true, force: true });
  return failed;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    await ensureDependencies();
    const runtime = await findRuntime();
    line();
    await ensureStudio(runtime);
    process.exitCode = (await runChecks(runtime)) === 0 ? 0 : 1;
  });
}
