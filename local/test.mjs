// `npm test`: sets up what the tests need, runs the checks and every test project, and ends with one line
// `N passed, N failed, N skipped`. Arguments go to vitest: `npm test -- playback`, `npm test -- --project worker`.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { runChecks } from './check.mjs';
import { ensureDependencies } from './setup/dependencies.mjs';
import { passThrough, runtimeEnv } from './setup/run.mjs';
import { findRuntime } from './setup/runtime.mjs';
import { line, row, runMain } from './setup/screen.mjs';
import { ensureStudio } from './setup/studio.mjs';
import { ensureChromium, ensureFfmpeg, ensureStrace } from './setup/system-packages.mjs';

/** Quick answers first; the last one starts the whole stack. */
const RUNS = [['unit', 'transcoder'], ['worker'], ['e2e']];
/** Each takes a few minutes; one that hangs is ended, so that the others still tell what they have to. */
const RUN_LIMIT_MS = 20 * 60_000;

await runMain(async () => {
  const args = process.argv.slice(2);
  line();
  await Promise.all([ensureDependencies(), ensureSystemPackages()]);
  const runtime = await findRuntime();
  await ensureStudio(runtime);
  const total = { passed: 0, failed: 0, skipped: 0 };
  /** @type {string[]} */
  const failures = [];
  // A filter asks for some tests, not for the house.
  if (args.length === 0) total.failed += await runChecks(runtime);

  const runs = args.includes('--project') ? [[]] : RUNS;
  for (const projects of runs) {
    const counts = await runVitest(runtime, [...projects.flatMap((name) => ['--project', name]), ...args]);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    failures.push(...counts.failures);
  }
  // Once more at the end: the screens above them are many.
  for (const failure of failures) console.log(`failed: ${failure}`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});

/** apt takes one caller at a time. */
async function ensureSystemPackages() {
  await ensureFfmpeg();
  if (!(await ensureChromium())) row('chromium', 'not found: the tests in a browser are skipped');
  if (!(await ensureStrace())) row('strace', 'not found: the tests that watch what ffmpeg does are skipped');
}

/**
 * @param {{ node: string, flags: string[] }} runtime
 * @param {string[]} args
 */
async function runVitest(runtime, args) {
  const folder = await mkdtemp(join(tmpdir(), 'reelay-test-'));
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--passWithNoTests', ...reporters, ...args];
  const code = await passThrough(runtime.node, [...runtime.flags, ...vitest], {
    env: runtimeEnv(),
    timeout: RUN_LIMIT_MS,
  });
  const text = await readFile(report, 'utf8').catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
  if (text === undefined)
    return { passed: 0, failed: 1, skipped: 0, failures: ['the run ended without a report'] };
  const counts = countsOf(JSON.parse(text));
  // Errors outside of any test, such as an unhandled rejection, show in the exit code alone.
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1;
    counts.failures.push('an error outside of any test');
  }
  return counts;
}

/** @param {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { name: string, status: string, message: string,
 *     assertionResults: { status: string, fullName: string, failureMessages: string[] | null }[] }[] }} report */
function countsOf(report) {
  // A file that could not even be loaded, or whose set-up failed, has no failed test of its own.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: [
      ...brokenFiles.map(({ name, message }) => failureLine(name, message)),
      ...report.testResults.flatMap(({ name, assertionResults }) =>
        assertionResults
          .filter(({ status }) => status === 'failed')
          .map((test) => failureLine(`${name} > ${test.fullName}`, test.failureMessages?.[0])),
      ),
    ],
  };
}

/**
 * @param {string} where
 * @param {string} [message]
 */
function failureLine(where, message = '') {
  return `${relative(process.cwd(), where)}: ${message.split('\n', 1)[0]}`;
}
