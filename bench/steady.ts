// Claiming a task, listing a page of videos and a whole run of the sweeper with 1,000, 10,000 and 100,000 videos and
// jobs, half of them finished and half of them waiting, in workerd with its D1. Medians of five times ten calls.
import { spawn } from 'node:child_process';

const ROWS = [1000, 10_000, 100_000];
const NAMES = ['claim', 'list', 'sweep'] as const;
const MOST_MS = 20;
const MOST_GROWTH = 1.5;

type Times = { rows: number } & Record<(typeof NAMES)[number], number>;

/** @throws Error where a call takes longer than it may, or too much longer than with few rows */
export async function benchSteady(): Promise<void> {
  const all: Times[] = [];
  for (const rows of ROWS) {
    const times = await measure(rows);
    all.push(times);
    console.log(
      `${String(rows).padStart(7)} videos  ${NAMES.map((name) => `${name} ${times[name].toFixed(1)} ms`).join('   ')}`,
    );
  }
  const [least, most] = [all[0]!, all.at(-1)!];
  const broken = NAMES.filter((name) => most[name] > MOST_MS || most[name] > MOST_GROWTH * least[name]);
  if (broken.length > 0) throw new Error(`too slow with ${most.rows} videos: ${broken.join(', ')}`);
}

async function measure(rows: number): Promise<Times> {
  const args = ['vitest', 'run', '--project', 'worker', '--silent=false', 'test/worker/steady-state.test.ts'];
  const child = spawn('npx', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, STEADY_ROWS: String(rows), NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += String(bytes);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const line = /steady (\{.*\})/.exec(output)?.[1];
  if (code !== 0 || line === undefined) throw new Error(`the measurement failed:\n${output.slice(-4000)}`);
  return JSON.parse(line) as Times;
}
