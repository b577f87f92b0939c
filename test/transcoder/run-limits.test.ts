// What one run of a tool may take of the machine: a run within each limit ends well, one beyond it is ended, and the
// job is told which limit that was and by how much it was passed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GIB, KIB, MIB } from '../../shared/limits.ts';
import { type FfmpegCommand, ffmpegVersion, setFfmpeg, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { requireDisk } from '../../transcoder/scratch.ts';
import { describeFailure } from '../../transcoder/task-failure.ts';

const LIMITS = { wallSeconds: 60, memoryBytes: GIB };
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reelay-limits-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** In real time. */
const film = (seconds: number): FfmpegCommand => ({
  inputs: [{ options: ['-re', '-f', 'lavfi'], url: `testsrc2=size=640x360:rate=30:duration=${seconds}` }],
  outputs: [{ options: ['-c:v', 'libx264', '-preset', 'ultrafast', '-f', 'mp4'], path: 'out.mp4' }],
});

async function failureOf(work: Promise<unknown>) {
  const error = await work.then(
    () => expect.unreachable('it went well'),
    (reason: unknown) => reason,
  );
  return describeFailure(error, undefined);
}

/** What is to be ended must not end by itself before somebody looks. */
const encode = (
  limits: typeof LIMITS,
  { seconds = 600, ...stall }: { seconds?: number; stallSeconds?: number } = {},
) => startFfmpeg(film(seconds), { directory, limits, ...stall }).done;

describe('a run of ffmpeg', () => {
  test('within every limit ends well', async () => {
    await expect(encode(LIMITS, { seconds: 1 })).resolves.toMatchObject({ cpuSeconds: expect.any(Number) });
  });

  test('is ended for its memory', async () => {
    expect(await failureOf(encode({ ...LIMITS, memoryBytes: 16 * MIB }))).toMatchObject({
      ...{ code: 'encode_resources', kind: 'resources' },
      detail: expect.stringMatching(/^The encoder used \d+ MiB of memory; 16 MiB are allowed\.$/),
    });
  });

  test('is ended for its time', async () => {
    expect(await failureOf(encode({ ...LIMITS, wallSeconds: 0.4 }))).toMatchObject({
      ...{ code: 'encode_resources', kind: 'resources' },
      detail: expect.stringMatching(/^The encoder ran for [\d.]+ s; 0\.4 s are allowed\.$/),
    });
  });

  test('is ended for standing still', async () => {
    expect(await failureOf(encode(LIMITS, { stallSeconds: 0.1 }))).toMatchObject({
      ...{ code: 'encode_resources', kind: 'resources' },
      detail: expect.stringMatching(/^The encoder made no progress for [\d.]+ s; 0\.1 s are allowed\.$/),
    });
  });
});

describe('the limits the kernel keeps for what comes between two looks', () => {
  const saying = async (body: string) => {
    const path = join(directory, 'stand-in');
    await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    setFfmpeg(path);
    return ffmpegVersion().finally(() => setFfmpeg('ffmpeg'));
  };

  test('are address space with room for libraries, and CPU time on all cores', async () => {
    const [addressSpaceKib, cpuSeconds, coreFile] = (await saying('ulimit -v; ulimit -t; ulimit -c')).split(
      '\n',
    );
    expect(Number(addressSpaceKib)).toBe((3 * GIB) / KIB);
    expect(Number(cpuSeconds)).toBe(15 * availableParallelism() + 1);
    expect(coreFile).toBe('0');
  });

  test.each([
    { words: 'cannot allocate: failed to map segment from shared object', code: 'encode_resources' },
    { words: 'no idea', code: 'encode_failed' },
  ])('end a tool that says "$words" as $code', async ({ words, code }) => {
    const failure = await failureOf(saying(`echo "${words}" >&2; exit 1`));
    expect(failure).toMatchObject({ code });
  });
});

describe('disk', () => {
  test('is asked for beforehand, and the answer says how much there is and how much is needed', async () => {
    await expect(requireDisk({ directory }, MIB)).resolves.toBeUndefined();
    expect(await failureOf(requireDisk({ directory }, 2 ** 60))).toMatchObject({
      ...{ code: 'encode_resources', kind: 'retryable' },
      detail: expect.stringMatching(/has [\d.]+ GiB of free disk; this task may need 1073741824\.0\./),
    });
  });
});
