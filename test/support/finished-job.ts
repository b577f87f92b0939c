// A small job made for real with the transcoder's own stages, over storage in memory: two rungs, two chunks,
// three segments, one sound track.
import { createLog, type Log } from '../../shared/log.ts';
import type { Plan } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { encodeAudio } from '../../transcoder/stages/audio.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { makePreview } from '../../transcoder/stages/preview.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { makeSheets } from '../../transcoder/stages/storyboard.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import type { JobFacts } from '../../transcoder/tracks.ts';
import { type MemoryR2, memoryR2 } from '../transcoder/memory-r2.ts';
import { openFileSource } from './file-source.ts';
import { makeClip } from './media.ts';

export const OUTPUT_PREFIX = 'hls/videos/v1/g1/';
const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
const LADDER = [
  { shortSidePixels: 90, maxBitrateBps: 200_000 },
  { shortSidePixels: 180, maxBitrateBps: 400_000 },
];

export type FinishedJob = { plan: Plan; facts: JobFacts; r2: MemoryR2; claim: TaskContext['claim'] };

export async function makeFinishedJob(): Promise<FinishedJob> {
  await using scratch = await createScratch('finished-job');
  const path = await makeClip(scratch.path('clip.mp4'), { seconds: 5 });
  await using source = await openFileSource(path);
  const r2 = memoryR2();
  const { signal } = new AbortController();
  const info = await probeSource(source, scratch, LIMITS, signal);
  const plan = planJob(info, { ladder: LADDER, segmentSeconds: 2, preset: 'ultrafast' });

  const contextOf = (kind: 'chunk' | 'audio', index: number): TaskContext => ({
    ...{
      claim: claimOf(kind, index),
      r2,
      source,
      scratch,
      signal,
      threads: 1,
      limits: LIMITS,
      log: silent(),
    },
    commit: async () => undefined,
    beginImport: () => Promise.reject(new Error('this is no import')),
    contentKey: noKey,
    progress: () => undefined,
  });
  const facts: JobFacts = { chunks: [], audio: [] };
  for (const chunk of plan.chunks) {
    facts.chunks.push(await encodeChunk(contextOf('chunk', chunk.index), plan, chunk));
  }
  for (const index of plan.audio.keys())
    facts.audio.push(await encodeAudio(contextOf('audio', index), plan, index));
  const finish = contextOf('chunk', 0);
  const [sheets, preview] = [await makeSheets(finish, plan), await makePreview(finish, plan)];
  if (!sheets || !preview) throw new Error('a finished job has pictures');
  facts.pictures = { sheets, preview };
  return { plan, facts, r2, claim: finish.claim };
}

/** What certifying takes of a task. */
export function certifierOf({ claim, r2 }: Pick<FinishedJob, 'claim' | 'r2'>) {
  return { claim, r2, contentKey: noKey, log: silent() };
}

export function noKey(): Promise<never> {
  return Promise.reject(new Error('nothing here is protected'));
}

function claimOf(kind: 'chunk' | 'audio', index: number): TaskContext['claim'] {
  return {
    jobToken: 'token',
    leaseSeconds: 90,
    heartbeatSeconds: 15,
    task: { jobId: 'j1', name: `${kind}:${index}`, kind, index, epoch: 1, mark: 0 },
    job: {
      videoId: 'v1',
      source: { key: 'sources/v1/u1', etag: 'etag', sizeBytes: 1 },
      outputPrefix: OUTPUT_PREFIX,
      options: { segmentSeconds: 2, preset: 'ultrafast' },
    },
    storage: { endpoint: '', bucket: '', accessKeyId: '', secretAccessKey: '' },
  };
}

export function silent(): Log {
  const none = () => undefined;
  return { ...createLog(), info: none, warn: none, error: none, with: silent };
}
