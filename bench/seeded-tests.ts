// Tests of `npm test` that are run with more values, of a seed that is another each time.
import { spawn } from 'node:child_process';

export const newSeed = () => String(Date.now() % 2 ** 31);

/**
 * @param args of vitest: projects and files
 * @param env how many values, and the seed
 * @throws Error `complaint` where a test failed
 */
export async function runSeededTests(
  args: string[],
  env: Record<string, string>,
  complaint: string,
): Promise<void> {
  const child = spawn('npx', ['vitest', 'run', ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(complaint);
}
