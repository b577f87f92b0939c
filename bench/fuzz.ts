// Twenty times the fuzzed requests of `npm test`, with another seed each time. FUZZ_REQUESTS and FUZZ_SEED say otherwise.
import { spawn } from 'node:child_process';

const REQUESTS = 100_000;

/** @throws Error where an answer was a failure of ours, of an undocumented status, or of another shape */
export async function benchFuzz(): Promise<void> {
  const { FUZZ_REQUESTS: requests = String(REQUESTS), FUZZ_SEED: seed = String(Date.now() % 2 ** 31) } =
    process.env;
  console.log(`${requests} requests of seed ${seed}, made from the OpenAPI document`);
  const args = ['vitest', 'run', '--project', 'worker', '--silent=false', 'test/worker/fuzz.test.ts'];
  const child = spawn('npx', args, {
    stdio: 'inherit',
    env: { ...process.env, FUZZ_REQUESTS: requests, FUZZ_SEED: seed },
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`fuzzed requests of seed ${seed} met something that is not documented`);
}
