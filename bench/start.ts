// From `npm start` to the ready line and to a playable demo, on a checkout whose dependencies are installed.
import { spawn } from 'node:child_process';
import { makeFolder } from '../test/support/media.ts';

export async function benchStart(): Promise<void> {
  const home = await makeFolder('bench-start');
  const startedAt = performance.now();
  const child = spawn('npm', ['start'], {
    env: { ...process.env, REELAY_HOME: home, REELAY_PORT: '18787' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const marks: { line: RegExp; name: string; atSeconds?: number }[] = [
    { line: /ready/i, name: 'stack ready' },
    { line: /\/watch\//, name: 'demo clip ready' },
  ];
  let text = '';
  for await (const piece of child.stdout) {
    text += piece;
    for (const mark of marks) {
      if (mark.atSeconds === undefined && mark.line.test(text)) {
        mark.atSeconds = (performance.now() - startedAt) / 1000;
        console.log(`${mark.name}: ${mark.atSeconds.toFixed(1)} s after npm start`);
      }
    }
    if (marks.every((mark) => mark.atSeconds !== undefined)) break;
  }
  child.kill('SIGINT');
  await new Promise((resolve) => child.once('exit', resolve));
}
