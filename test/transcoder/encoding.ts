// What the encoding tests share: a task on a local file, and looking at what it stored.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createLog } from '../../shared/log.ts';
import type { TaskFacts } from '../../shared/messages.ts';
import { initName, segmentName } from '../../shared/object-keys.ts';
import type { Plan, PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import { frameTicks } from '../../shared/timeline.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { openFileSource } from '../support/file-source.ts';
import { noKey } from '../support/finished-job.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
export const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 31 };
export const PREFIX = 'hls/videos/v/g/';

/** Two small rungs and segments of a second, so that seconds of video make several chunks. */
export async function planFile(path: string, options: Partial<PlanOptions> = {}): Promise<Plan> {
  await using scratch = await createScratch('plan-test');
  await using source = await openFileSource(path);
  const info = await probeSource(source, scratch, LIMITS, new AbortController().signal);
  return planJob(info, {
    segmentSeconds: 1,
    preset: 'ultrafast',
    ladder: [
      { shortSidePixels: 90, maxBitrateBps: 200_000 },
      { shortSidePixels: 180, maxBitrateBps: 400_000 },
    ],
    ...options,
  });
}

/** The same plan as one task from start to end. */
export function asOneChunk(plan: Plan): Plan {
  return { ...plan, chunks: [{ index: 0, firstSegment: 0, segmentCount: plan.segmentCount }] };
}

export type Task = { context: TaskContext; r2: MemoryR2; commits: number[]; progress: number[] };

/** Runs `work` as a task on `path` whose mark is `mark`. */
export async function onFile<Result>(
  path: string,
  work: (task: Task) => Promise<Result>,
  { mark = 0, r2 = memoryR2() }: { mark?: number; r2?: MemoryR2 } = {},
): Promise<Result> {
  await using scratch = await createScratch('encode-test');
  await using source = await openFileSource(path);
  const commits: number[] = [];
  const progress: number[] = [];
  const silent = createLog();
  const context: TaskContext = {
    claim: {
      jobToken: 'token',
      leaseSeconds: 60,
      heartbeatSeconds: 15,
      task: { jobId: 'job', name: 'chunk:0', kind: 'chunk', index: 0, epoch: 1, mark },
      job: {
        videoId: 'v',
        source: { key: 's', etag: 'e', sizeBytes: source.sizeBytes },
        outputPrefix: PREFIX,
        options: { segmentSeconds: 1, preset: 'ultrafast' },
      },
      storage: { endpoint: '', bucket: '', accessKeyId: '', secretAccessKey: '' },
    },
    r2,
    source,
    scratch,
    signal: new AbortController().signal,
    threads: 1,
    limits: LIMITS,
    log: { ...silent, info: () => {}, warn: () => {} },
    beginImport: () => Promise.reject(new Error('this is no import')),
    contentKey: noKey,
    commit: async (committed) => {
      commits.push(committed);
    },
    progress: (frames) => progress.push(frames),
  };
  return await work({ context, r2, commits, progress });
}

/** Encodes every chunk of a plan, each as its own task over one storage. */
export async function encodeAll(path: string, plan: Plan, r2: MemoryR2 = memoryR2()): Promise<TaskFacts[]> {
  const facts: TaskFacts[] = [];
  for (const chunk of plan.chunks) {
    facts.push(await onFile(path, ({ context }) => encodeChunk(context, plan, chunk), { r2 }));
  }
  return facts;
}

/** Init and all segments of a track in one file, as a player appends them. */
export async function writeTrack(
  r2: MemoryR2,
  stem: string,
  segments: number,
  path: string,
): Promise<string> {
  const names = [initName(stem), ...Array.from({ length: segments }, (_, index) => segmentName(stem, index))];
  await writeFile(path, Buffer.concat(await Promise.all(names.map((name) => r2.get(PREFIX + name)))));
  return path;
}

/** Decodes a file: how many pictures, and whatever ffmpeg had to say about it. */
export async function decode(path: string): Promise<{ frames: number; complaints: string }> {
  const { stdout, stderr } = await run('ffmpeg', [
    ...['-nostdin', '-v', 'warning', '-progress', 'pipe:1', '-nostats'],
    ...['-i', path, '-fps_mode', 'passthrough', '-f', 'null', '-'],
  ]);
  return { frames: Number([...stdout.matchAll(/frame=\s*(\d+)/g)].at(-1)?.[1] ?? 0), complaints: stderr };
}

/** Ticks at which each planned GOP starts. */
export function plannedKeyTicks(plan: Plan): number[] {
  const keys: number[] = [];
  for (let segment = 0; segment < plan.segmentCount; segment++) {
    const isLast = segment === plan.segmentCount - 1;
    const end = isLast ? plan.totalFrames : (segment + 1) * plan.segmentFrames;
    for (let frame = segment * plan.segmentFrames; frame < end; frame += plan.gopFrames) {
      keys.push(frame * frameTicks(plan.fps));
    }
  }
  return keys;
}
