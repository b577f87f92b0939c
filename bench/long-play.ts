// Three hours of segments of six seconds through tokens of five minutes, on a clock that is moved: the test of
// `npm test` with every request of a real play. What is counted is segments that failed and bytes read twice, both 0.
import { spawn } from 'node:child_process';

/** @throws Error where a segment failed or was read twice */
export async function benchLongPlay(): Promise<void> {
  const startedMs = Date.now();
  const args = ['vitest', 'run', '--project', 'worker', '--silent=false', 'test/worker/long-play.test.ts'];
  const child = spawn('npx', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PLAY_SEGMENT_SECONDS: '6', NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += String(bytes);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const counts = /\d+ requests, .*reads of storage/.exec(output)?.[0];
  if (code !== 0 || !counts) throw new Error(`the long play failed:\n${output.slice(-4000)}`);
  console.log(`three hours in ${Math.round((Date.now() - startedMs) / 1000)} s: ${counts}`);
}
