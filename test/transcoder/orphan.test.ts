import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createScratch } from '../../transcoder/scratch.ts';

const RUN = new URL('../../transcoder/ffmpeg/run.ts', import.meta.url).href;
const until = (condition: () => unknown) => expect.poll(condition, { timeout: 50_000, interval: 20 });

/** A parent of its own, since it shall die; ffmpeg is quiet, or the broken pipe would end it. */
const parentScript = (directory: string) => `
  const { startFfmpeg } = await import(${JSON.stringify(RUN)});
  const input = { options: ['-nostdin', '-v', 'error', '-re', '-f', 'lavfi'], url: 'testsrc2=size=64x64:duration=600' };
  const output = { options: ['-f', 'null'], path: '/dev/null' };
  const limits = { wallSeconds: 60, memoryBytes: 2 ** 30 };
  startFfmpeg({ inputs: [input], outputs: [output] }, { directory: ${JSON.stringify(directory)}, limits });
`;

test.skipIf(!existsSync('/usr/bin/setpriv'))('ffmpeg dies with the process that started it', async () => {
  await using scratch = await createScratch('orphan');
  const parent = spawn(process.execPath, ['--input-type=module', '-e', parentScript(scratch.directory)]);
  let ffmpeg: string | undefined;
  await until(async () => {
    const children = await readFile(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8');
    ffmpeg = children.trim().split(' ')[0];
    return commandOf(ffmpeg);
  }).toBe('ffmpeg');
  const exited = once(parent, 'exit');
  parent.kill('SIGKILL');
  await exited;
  await until(() => commandOf(ffmpeg)).toBeUndefined();
});

/** Name of a process that lives; its parent may be slow to take note of its end. */
async function commandOf(pid: string | undefined): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const [, name, state] = /\((.*)\) (\S)/.exec(stat) ?? [];
  return state === 'Z' ? undefined : name;
}
