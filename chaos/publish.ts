// Four walkers read all of a video over and over while it is published again and again: the walk of
// test/worker/publish-under-load.test.ts in workerd with its D1 and R2, with many more publications.
import { spawn } from 'node:child_process';

export type PublishReport = { publications: number; walks: number; objects: number; failures: string[] };

export async function runPublishChaos(publications: number): Promise<PublishReport> {
  const args = [
    'vitest',
    'run',
    '--project',
    'worker',
    '--silent=false',
    'test/worker/publish-under-load.test.ts',
  ];
  const child = spawn('npx', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PUBLISHES: String(publications), NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += String(bytes);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const counts = /(\d+) publications, (\d+) walks, (\d+) objects read/.exec(output)?.slice(1).map(Number);
  const [published = 0, walks = 0, objects = 0] = counts ?? [];
  const failures = code === 0 && counts ? [] : [output.slice(-4000)];
  return { publications: published, walks, objects, failures };
}

export function publishTable({ publications, walks, objects, failures }: PublishReport): string {
  return [
    `publications                  ${publications}`,
    `walks from master to segments ${walks}`,
    `objects read                  ${objects}`,
    `refused or of another hash    ${failures.length === 0 ? 0 : 'see below'}`,
  ].join('\n');
}
