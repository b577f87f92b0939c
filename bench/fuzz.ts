// Twenty times the fuzzed requests of `npm test` and a hundred times the values of its properties, with another seed each
// time. FUZZ_REQUESTS, FUZZ_SEED, PROPERTY_TIMES and PROPERTY_SEED say otherwise.
import { newSeed, runSeededTests } from './seeded-tests.ts';

const REQUESTS = 100_000;
const TIMES = 100;
const PROPERTIES = ['test/shared', 'test/transcoder/ingest-form.test.ts'];
const NO_LIMIT = '--testTimeout=0';

/** @throws Error where an answer was a failure of ours, of an undocumented status, or of another shape, or a property does not hold */
export async function benchFuzz(): Promise<void> {
  const { FUZZ_REQUESTS: requests = String(REQUESTS), FUZZ_SEED: seed = newSeed() } = process.env;
  console.log(`${requests} requests of seed ${seed}, made from the OpenAPI document`);
  await runSeededTests(
    ['--project', 'worker', '--silent=false', 'test/worker/fuzz.test.ts'],
    { FUZZ_REQUESTS: requests, FUZZ_SEED: seed },
    `fuzzed requests of seed ${seed} met something that is not documented`,
  );

  const { PROPERTY_TIMES: times = String(TIMES), PROPERTY_SEED: propertySeed = newSeed() } = process.env;
  console.log(`properties with ${times} times the values of npm test, of seed ${propertySeed}`);
  await runSeededTests(
    ['--project', 'unit', '--project', 'transcoder', NO_LIMIT, ...PROPERTIES],
    { PROPERTY_TIMES: times, PROPERTY_SEED: propertySeed },
    `a property does not hold for seed ${propertySeed}`,
  );
}
