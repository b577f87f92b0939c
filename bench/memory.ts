// Resident memory of workerd and of the Node transcoder against the size of the upload.
import { execFile } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { apiAt, jobEnd, type Method, uploadFile } from '../test/support/api.ts';
import { makeFolder } from '../test/support/media.ts';
import { startStack } from '../test/support/stack.ts';
import { listDescendants, peakResidentBytes } from './processes.ts';

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
    console.log('method     file MiB   workerd   transcoder (node)');
    for (const [method, sizeMib] of Object.entries(SIZE_MIB) as [Method, number][]) {
      const rows: { workerd: number; transcoder: number }[] = [];
      const times = Math.max(1, Math.floor((sizeMib * MIB) / (await stat(units[0])).size));
      for (const unit of units) {
        const clip = await repeat(unit, join(folder, 'clip.mp4'), times);
        rows.push(await measure(clip, method));
        const { workerd, transcoder } = rows.at(-1)!;
        const realMib = (await stat(clip)).size / MIB;
        console.log(
          `${method.padEnd(10)} ${realMib.toFixed(0).padStart(8)} ${workerd.toFixed(0).padStart(9)} ${transcoder.toFixed(0).padStart(12)}`,
        );
      }
      const [small, large] = rows as [(typeof rows)[0], (typeof rows)[0]];
      const ratio = (key: 'workerd' | 'transcoder') => (large[key] / small[key]).toFixed(2);
      console.log(
        `${method.padEnd(10)} twice the size: workerd ×${ratio('workerd')}, transcoder ×${ratio('transcoder')}`,
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measure(clip: string, method: Method): Promise<{ workerd: number; transcoder: number }> {
  const stack = await startStack({ transcoders: 1 });
  try {
    const api = apiAt(stack.url, await stack.token('uploader'));
    const { jobId } = await uploadFile(api, clip, method, {
      preset: 'ultrafast',
      ladder: [{ shortSidePixels: 240, maxBitrateBps: 400_000 }],
    });
    const job = await jobEnd(api, jobId, 20 * 60_000);
    if (job.state !== 'succeeded')
      throw new Error(`the job ended ${job.state}: ${JSON.stringify(job.error)}`);
    const processes = await listDescendants(process.pid);
    const peak = async (test: (process: (typeof processes)[0]) => boolean) =>
      Math.max(...(await Promise.all(processes.filter(test).map(({ pid }) => peakResidentBytes(pid))))) / MIB;
    return {
      workerd: await peak(({ name }) => name === 'workerd'),
      transcoder: await peak(({ commandLine }) => commandLine.includes('transcoder/main.ts')),
    };
  } finally {
    await stack.stop();
  }
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
