// The ways to make one ladder that are compared: Reelay's own, one bare ffmpeg with the same arguments, and the seeds'
// (one ffmpeg per rung, then a copy run to HLS).
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Plan } from '../shared/plan.ts';
import { PlanOptions } from '../shared/plan.ts';
import { planJob } from '../shared/plan-job.ts';
import { openFileSource } from '../test/support/file-source.ts';
import { sizeCapacity, thisMachine } from '../transcoder/capacity.ts';
import { chunkCommand } from '../transcoder/ffmpeg/args.ts';
import type { FfmpegCommand } from '../transcoder/ffmpeg/run.ts';
import { createScratch } from '../transcoder/scratch.ts';
import { probeSource } from '../transcoder/stages/probe.ts';
import { type Cost, costOf } from './cpu-time.ts';
import type { JobCost } from './encode-job.ts';
import { listDescendants, peakResidentBytes } from './processes.ts';

const run = promisify(execFile);
const LOOK_MS = 200;
const AUDIO = ['-c:a', 'aac', '-b:a', '128k', '-ac', '2'];

export async function planOf(clip: string, options: Partial<PlanOptions> = {}): Promise<Plan> {
  await using scratch = await createScratch('bench-plan');
  await using source = await openFileSource(clip);
  const { limits } = sizeCapacity(thisMachine());
  const info = await probeSource(source, scratch, limits, new AbortController().signal);
  return planJob(info, PlanOptions.parse(options));
}

export type Store = Disposable & { url: string };

export async function startStore(): Promise<Store> {
  const child = fork(new URL('./object-store.ts', import.meta.url), { silent: true });
  const [port] = (await once(child.stdout!, 'data')) as [Buffer];
  return {
    url: `http://127.0.0.1:${Number(String(port))}`,
    [Symbol.dispose]: () => void child.kill(),
  };
}

/** Reelay's way: every task of the job in a process like a transcoder's. */
export async function runOurJob(clip: string, store: Store): Promise<JobCost & { ffmpegPeakBytes: number }> {
  const child = fork(new URL('./encode-job.ts', import.meta.url), [clip, store.url], { silent: true });
  let output = '';
  let errors = '';
  child.stdout!.on('data', (data) => (output += data));
  child.stderr!.on('data', (data) => (errors += data));
  let ffmpegPeakBytes = 0;
  const look = async () => {
    const running = (await listDescendants(child.pid!)).filter(({ name }) => name === 'ffmpeg');
    const peaks = await Promise.all(running.map(({ pid }) => peakResidentBytes(pid).catch(() => 0)));
    ffmpegPeakBytes = Math.max(ffmpegPeakBytes, ...peaks);
  };
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  const [code] = await once(child, 'close');
  clearInterval(timer);
  if (code !== 0)
    throw new Error(`the job ended with code ${code}: ${errors.slice(-2000)}${output.slice(-2000)}`);
  return { ...JSON.parse(output.trim().split('\n').at(-1)!), ffmpegPeakBytes };
}

/** One bare ffmpeg over the whole film, with the very arguments of a chunk. */
export async function runBare(clip: string, plan: Plan, folder: string): Promise<Cost> {
  const { threads } = sizeCapacity(thisMachine());
  return inFolder(join(folder, 'bare'), async (place) => {
    const film = { firstFrame: 0, endFrame: plan.totalFrames };
    const path = ({ name }: { name: string }) => join(place, `${name}.mp4`);
    const command = chunkCommand(plan, { url: clip, threads }, film, path, join(place, 'tiles.mjpeg'));
    await ffmpeg(argvOf(command));
  });
}

/** The seeds' way, without sound. */
export async function runSeeds(clip: string, plan: Plan, folder: string): Promise<Cost> {
  return inFolder(join(folder, 'seeds'), async (place) => {
    for (const { name, width, height, crf, maxBitrateBps, bufferBits } of plan.renditions) {
      const file = join(place, `${name}.mp4`);
      const gop = String(plan.gopFrames);
      await ffmpeg([
        ...['-i', clip, '-an', '-vf', `scale=${width}:${height}`, '-c:v', 'libx264'],
        ...['-preset', plan.encoder.preset, '-crf', String(crf), '-pix_fmt', 'yuv420p'],
        ...['-maxrate', String(maxBitrateBps), '-bufsize', String(bufferBits)],
        ...['-g', gop, '-keyint_min', gop, '-sc_threshold', '0', file],
      ]);
      await ffmpeg([
        ...['-i', file, '-c', 'copy', '-f', 'hls', '-hls_time', String(plan.segmentSeconds)],
        ...['-hls_playlist_type', 'vod', join(place, `${name}.m3u8`)],
      ]);
    }
  });
}

/** The sound that the seeds' way encodes with every rung, once. */
export async function runSound(clip: string, folder: string): Promise<Cost> {
  return inFolder(join(folder, 'sound'), (place) =>
    ffmpeg(['-i', clip, '-vn', ...AUDIO, join(place, 'sound.mp4')]),
  );
}

async function inFolder(place: string, work: (place: string) => Promise<void>): Promise<Cost> {
  await mkdir(place, { recursive: true });
  const { cpuSeconds, wallSeconds } = await costOf(() => work(place));
  await rm(place, { recursive: true });
  return { cpuSeconds, wallSeconds };
}

export function argvOf({ inputs, filterGraph, outputs }: FfmpegCommand): string[] {
  return [
    ...inputs.flatMap(({ options, url }) => [...options, '-i', url]),
    ...(filterGraph ? ['-filter_complex', filterGraph] : []),
    ...outputs.flatMap(({ options, path }) => [...options, path]),
  ];
}

export async function ffmpeg(args: string[]): Promise<void> {
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args], { maxBuffer: 2 ** 26 });
}
