// Resident memory of workerd and of the Node transcoder against the size of the upload.
import { execFile } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { apiAt, jobEnd, type Method, uploadFile } from '../test/support/api.ts';
import { makeFolder } from '../test/support/media.ts';
import { startStack } from '../test/support/stack.ts';
import { listDescendants, type ProcessInfo, peakResidentBytes } from './processes.ts';

const MIB = 2 ** 20;
const run = promisify(execFile);

/** The smaller size per method; `single` ends at the edge's body limit, the others have none that matters. */
const SIZE_MIB: Record<Method, number> = { single: 45, multipart: 1024, presigned: 1024 };

export async function benchMemory(): Promise<void> {
  const folder = await makeFolder('bench-memory');
  try {
    // Twice the pixels of noise is twice the bytes: both sizes last equally long, so only the size differs.
    const units = [join(folder, 'unit-1.mp4'), join(folder, 'unit-2.mp4')] as const;
    await makeNoisyClip(units[0], '640x360');
    await makeNoisyClip(units[1], '1280x360');
    console.log('peak resident memory, MiB, each upload on a fresh stack (one transcoder, preset ultrafast)');
    console.log('method     file MiB   workerd: upload   and job   transcoder (node)');
    for (const [method, sizeMib] of Object.entries(SIZE_MIB) as [Method, number][]) {
      const rows: Peaks[] = [];
      const times = Math.max(1, Math.floor((sizeMib * MIB) / (await stat(units[0])).size));
      for (const unit of units) {
        const clip = await repeat(unit, join(folder, 'clip.mp4'), times);
        rows.push(await measure(clip, method));
        const { upload, job, transcoder } = rows.at(-1)!;
        const realMib = (await stat(clip)).size / MIB;
        const cells = [realMib, upload, job, transcoder].map((value) => value.toFixed(0).padStart(12));
        console.log(method.padEnd(10) + cells.join(''));
      }
      const [small, large] = rows as [Peaks, Peaks];
      const ratio = (key: keyof Peaks) => `×${(large[key] / small[key]).toFixed(2)}`;
      console.log(
        `${method.padEnd(10)} twice the size: workerd ${ratio('upload')} for the upload, ${ratio('job')} with the job; transcoder ${ratio('transcoder')}`,
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Highest resident sizes, MiB: of workerd after the upload alone, then of both after the job. */
type Peaks = { upload: number; job: number; transcoder: number };

async function measure(clip: string, method: Method): Promise<Peaks> {
  const stack = await startStack({ transcoders: 1 });
  try {
    const api = apiAt(stack.url, await stack.token('uploader'));
    const ladder = [{ shortSidePixels: 240, maxBitrateBps: 400_000 }];
    const { jobId } = await uploadFile(api, clip, method, { preset: 'ultrafast', ladder });
    const upload = await peakMib(({ name }) => name === 'workerd');
    const end = await jobEnd(api, jobId, 20 * 60_000);
    if (end.state !== 'succeeded')
      throw new Error(`the job ended ${end.state}: ${JSON.stringify(end.error)}`);
    return {
      upload,
      job: await peakMib(({ name }) => name === 'workerd'),
      transcoder: await peakMib(({ commandLine }) => commandLine.includes('transcoder/main.ts')),
    };
  } finally {
    await stack.stop();
  }
}

async function peakMib(isMeant: (process: ProcessInfo) => boolean): Promise<number> {
  const meant = (await listDescendants(process.pid)).filter(isMeant);
  return Math.max(...(await Promise.all(meant.map(({ pid }) => peakResidentBytes(pid))))) / MIB;
}

/** 4 s of noise, which does not compress: about 40 MiB at 640x360. */
async function makeNoisyClip(path: string, size: string): Promise<void> {
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `nullsrc=s=${size}:r=30:d=4`],
    ...[
      '-f',
      'lavfi',
      '-i',
      'sine=d=4',
      '-vf',
      'noise=alls=100:allf=t+u',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
    ],
    ...['-qp', '4', '-g', '30', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-shortest', path],
  ]);
}

async function repeat(unit: string, path: string, times: number): Promise<string> {
  const list = `${path}.txt`;
  await writeFile(list, `file '${unit}'\n`.repeat(times));
  await run('ffmpeg', [
    '-nostdin',
    '-v',
    'error',
    '-y',
    '-f',
    'concat',
    '-safe',
    '0',
    '-i',
    list,
    '-c',
    'copy',
    path,
  ]);
  return path;
}
