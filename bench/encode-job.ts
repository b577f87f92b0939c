// One job, task after task in one slot as a transcoder of this machine works on it, in a process of its own: its CPU
// time and memory are the transcoder's. Run as a program: CLIP STORE_URL; it prints what each kind of task took.
import { readFile } from 'node:fs/promises';
import { createLog } from '../shared/log.ts';
import type { Claim } from '../shared/messages.ts';
import { ladderKey, planKey } from '../shared/object-keys.ts';
import { Plan, PlanOptions } from '../shared/plan.ts';
import { awaitsLadder, copiedKeySeconds } from '../shared/settled-ladder.ts';
import { TaskKind } from '../shared/states.ts';
import { sizeCapacity, thisMachine } from '../transcoder/capacity.ts';
import { runTask, type TaskOutcome } from '../transcoder/pipeline.ts';
import { createR2 } from '../transcoder/r2.ts';
import { createScratch } from '../transcoder/scratch.ts';
import { openSource } from '../transcoder/source.ts';
import { createSourceCaches } from '../transcoder/source-caches.ts';
import { tryLadder } from '../transcoder/stages/trial.ts';
import type { TaskContext } from '../transcoder/task-context.ts';
import { type Cost, costOf } from './cpu-time.ts';
import { peakResidentBytes } from './processes.ts';

/** Told by the program on its last line. */
export type JobCost = {
  kinds: Record<string, Cost & { tasks: number }>;
  /** Names of the rungs that were made. */
  rungs: string[];
  sourceFetches: number;
  nodePeakBytes: number;
};

async function main(clip: string, endpoint: string): Promise<JobCost> {
  const storage = { endpoint, bucket: 'media', accessKeyId: 'bench', secretAccessKey: 'bench' };
  const r2 = createR2(storage);
  const id = `bench-${process.pid}`;
  const key = `sources/${id}/upload`;
  const bytes = await readFile(clip);
  await r2.putOnce(key, bytes, 'video/mp4');
  const source = { key, etag: (await r2.head(key))!.etag, sizeBytes: bytes.length };
  const { threads, limits } = sizeCapacity(thisMachine(), { slots: 1 });
  await using root = await createScratch('bench-job');
  await using caches = createSourceCaches({ directory: root.directory });
  const log = { ...createLog(), info: () => undefined };

  const perform = async <T>(name: string, work: (context: TaskContext) => Promise<T>): Promise<T> => {
    const [kind, index = '0'] = name.split(':');
    const task = { jobId: id, name, kind: TaskKind.parse(kind), index: Number(index), epoch: 1, mark: 0 };
    const job = { videoId: id, source, outputPrefix: `hls/videos/${id}/1/`, options: PlanOptions.parse({}) };
    const claim: Claim = { jobToken: '', leaseSeconds: 90, heartbeatSeconds: 15, task, job, storage };
    await using scratch = await createScratch(name, root.directory);
    await using opened = await openSource(r2, source, scratch, { caches });
    return await work({
      ...{ claim, r2, source: opened, scratch, threads, limits, log },
      signal: new AbortController().signal,
      commit: async () => undefined,
      beginImport: () => Promise.reject(new Error('this is no import')),
      contentKey: () => Promise.reject(new Error('nothing is protected')),
      progress: () => undefined,
    });
  };

  const kinds: JobCost['kinds'] = {};
  const measured = async <T>(kind: string, name: string, work: (context: TaskContext) => Promise<T>) => {
    const { result, cpuSeconds, wallSeconds } = await costOf(() => perform(name, work));
    const sum = kinds[kind] ?? { tasks: 0, cpuSeconds: 0, wallSeconds: 0 };
    kinds[kind] = {
      tasks: sum.tasks + 1,
      cpuSeconds: sum.cpuSeconds + cpuSeconds,
      wallSeconds: sum.wallSeconds + wallSeconds,
    };
    return result;
  };
  const task = (name: string): Promise<TaskOutcome> => measured(name.split(':')[0]!, name, runTask);
  const planned = await task('plan');
  if (planned.kind !== 'planned') throw new Error(`the plan ended ${planned.kind}`);
  const plan = Plan.parse(JSON.parse(new TextDecoder().decode(await r2.get(planKey(id)))));
  if (awaitsLadder(plan)) {
    // Apart from the chunks, and without the last word: all ways are to make the same rungs.
    await measured('trial', 'chunk:0', (context) => tryLadder(context, plan, copiedKeySeconds(plan)));
    await r2.putOnce(ladderKey(id), new TextEncoder().encode('{"version":1}'), 'application/json');
  }
  for (const { index } of plan.chunks) await task(`chunk:${index}`);
  for (const index of plan.audio.keys()) await task(`audio:${index}`);
  await task('finish');
  const rungs = plan.renditions.map(({ name }) => name);
  return { kinds, rungs, sourceFetches: caches.fetches, nodePeakBytes: await peakResidentBytes(process.pid) };
}

const [clip, endpoint] = process.argv.slice(2);
if (!clip || !endpoint) throw new Error('usage: encode-job.ts CLIP STORE_URL');
console.log(JSON.stringify(await main(clip, endpoint)));
