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

/** Sizes per method: `single` ends at the edge's body limit, the others have none that matters here. */
const SIZES_MIB: Record<Method, [number, number]> = {
  single: [45, 90],
  multipart: [1024, 2048],
  presigned: [1024, 2048],
};

export async function benchMemory(): Promise<void> {
  const folder = await makeFolder('bench-memory');
  try {
    const unit = join(folder, 'unit.mp4');
    await makeNoisyClip(unit);
    console.log('peak resident memory, MiB, each upload on a fresh stack (one transcoder, preset ultrafast)');
    console.log('method     file MiB   workerd   transcoder (node)');
    for (const [method, sizes] of Object.entries(SIZES_MIB) as [Method, [number, number]][]) {
      const rows: { workerd: number; transcoder: number }[] = [];
      for (const sizeMib of sizes) {
        const clip = await repeat(unit, join(folder, `${sizeMib}.mp4`), sizeMib);
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

/** About 22 MiB of 4 s that does not compress: noise, every picture a key picture. */
async function makeNoisyClip(path: string): Promise<void> {
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', 'nullsrc=s=640x360:r=30:d=4'],
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

async function repeat(unit: string, path: string, sizeMib: number): Promise<string> {
  const times = Math.floor((sizeMib * MIB) / (await stat(unit)).size);
  const list = `${path}.txt`;
  await writeFile(list, `file '${unit}'\n`.repeat(Math.max(1, times)));
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
