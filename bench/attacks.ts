// Ten times the token attacks of `npm test`, with another seed each time; what is counted is bytes served, which is
// to be none. ATTACKS and ATTACKS_SEED say otherwise.
import { newSeed, runSeededTests } from './seeded-tests.ts';

const ATTACKS = 50_000;

/** @throws Error where an attack opened something or an untampered request did not */
export async function benchAttacks(): Promise<void> {
  const { ATTACKS: attacks = String(ATTACKS), ATTACKS_SEED: seed = newSeed() } = process.env;
  console.log(`${attacks} attacks of seed ${seed}, nine in ten beside their untampered twin`);
  const startedMs = Date.now();
  await runSeededTests(
    ['--project', 'worker', 'test/worker/playback-attacks.test.ts'],
    { ATTACKS: attacks, ATTACKS_SEED: seed },
    `token attacks of seed ${seed} failed`,
  );
  console.log(`bytes served to attackers: 0, in ${Math.round((Date.now() - startedMs) / 1000)} s`);
}
