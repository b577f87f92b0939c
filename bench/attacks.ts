// Ten times the token attacks of `npm test`, with another seed each time; what is counted is bytes served, which is
// to be none. ATTACKS and ATTACKS_SEED say otherwise.
import { spawn } from 'node:child_process';

const ATTACKS = 50_000;

/** @throws Error where an attack opened something or an untampered request did not */
export async function benchAttacks(): Promise<void> {
  const { ATTACKS: attacks = String(ATTACKS), ATTACKS_SEED: seed = String(Date.now() % 2 ** 31) } =
    process.env;
  console.log(`${attacks} attacks of seed ${seed}, nine in ten beside their untampered twin`);
  const startedMs = Date.now();
  const args = ['vitest', 'run', '--project', 'worker', 'test/worker/playback-attacks.test.ts'];
  const child = spawn('npx', args, {
    stdio: 'inherit',
    env: { ...process.env, ATTACKS: attacks, ATTACKS_SEED: seed },
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`token attacks of seed ${seed} failed`);
  console.log(`bytes served to attackers: 0, in ${Math.round((Date.now() - startedMs) / 1000)} s`);
}
