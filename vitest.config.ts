import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';
import { answerOutside } from './test/support/outside.ts';
import { TEST_BINDINGS } from './test/support/test-bindings.ts';

/** What a test waits for comes, however busy the machine; vitest would give up after a second. */
const PATIENT = { poll: { timeout: 20_000 } };

// Four projects, each runnable alone: `npx vitest run --project worker`.
export default defineConfig(async () => {
  const migrations = await readD1Migrations('./worker/migrations');
  return {
    test: {
      // The product's own log lines are worth reading beside a failure only.
      silent: 'passed-only',
      sequence: { sequencer: LongestFirst },
      // Much of a test is waiting: by default one core of two would be left for that.
      maxWorkers: 2,
      projects: [
        {
          test: {
            name: 'unit',
            environment: 'node',
            include: ['test/*.test.ts', 'test/shared/**/*.test.ts', 'test/local/**/*.test.ts'],
            expect: PATIENT,
            testTimeout: 30_000,
          },
        },
        {
          test: {
            name: 'transcoder',
            environment: 'node',
            include: ['test/transcoder/**/*.test.ts'],
            expect: PATIENT,
            testTimeout: 60_000,
            hookTimeout: 60_000,
          },
        },
        {
          plugins: [
            cloudflareTest({
              main: './worker/index.ts',
              wrangler: { configPath: './wrangler.toml' },
              miniflare: {
                // The optional one, bound for the tests of it.
                r2Buckets: ['PUBLIC'],
                bindings: {
                  ...TEST_BINDINGS,
                  WEBHOOK_EVENTS: process.env.WEBHOOK_EVENTS ?? '60',
                  TEST_MIGRATIONS: migrations,
                  ATTACKS: process.env.ATTACKS ?? '5000',
                  ATTACKS_SEED: process.env.ATTACKS_SEED ?? '1',
                  FUZZ_REQUESTS: process.env.FUZZ_REQUESTS ?? '5000',
                  FUZZ_SEED: process.env.FUZZ_SEED ?? '1',
                  PUBLISHES: process.env.PUBLISHES ?? '5',
                  PLAY_SEGMENT_SECONDS: process.env.PLAY_SEGMENT_SECONDS ?? '100',
                  STEADY_ROWS: process.env.STEADY_ROWS ?? '1000',
                  TEST_LOG: process.env.TEST_LOG ?? 'off',
                },
                outboundService: answerOutside as never,
              },
            }),
          ],
          test: {
            name: 'worker',
            // One isolate for all files: to start one takes longer than most files do. `setup.ts` clears the ledger.
            isolate: false,
            // A line written in a Durable Object crosses to the runner by a socket of another one: a line on its way
            // when a file ends keeps the whole run from ending.
            disableConsoleIntercept: true,
            include: ['test/worker/**/*.test.ts'],
            globalSetup: ['test/support/studio-folder.ts'],
            setupFiles: ['test/worker/setup.ts'],
            expect: PATIENT,
            // Some make thousands of requests, and a machine that does much else takes a minute for them.
            testTimeout: 120_000,
            hookTimeout: 60_000,
          },
        },
        {
          test: {
            name: 'e2e',
            environment: 'node',
            include: ['test/e2e/**/*.test.ts'],
            globalSetup: ['test/support/migrated-state.ts'],
            expect: PATIENT,
            testTimeout: 180_000,
            hookTimeout: 180_000,
            // Much of a story is waiting for servers to start; more than two at once would starve the encoders.
            maxWorkers: 2,
          },
        },
      ],
    },
  };
});
