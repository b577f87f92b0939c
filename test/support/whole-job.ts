// One job from a file to a certified presentation with the transcoder's own pipeline, task after task as the
// ledger would hand them out, over storage in memory.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { Claim, PlanSummary, Presentation } from '../../shared/messages.ts';
import { CERTIFICATE, initName, planKey, segmentName } from '../../shared/object-keys.ts';
import { Plan, PlanOptions } from '../../shared/plan.ts';
import type { ContentKey } from '../../shared/protection.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { runTask, type TaskOutcome } from '../../transcoder/pipeline.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { openSource } from '../../transcoder/source.ts';
import { type MemoryR2, memoryR2 } from '../transcoder/memory-r2.ts';
import { silent } from './finished-job.ts';

export const JOB_PREFIX = 'hls/videos/v1/j1/';
export const SOURCE_KEY = 'sources/v1/u1';
const LIMITS = { wallSeconds: 600, memoryBytes: 2 ** 31 };

export type JobSettings = {
  options?: z.input<typeof PlanOptions>;
  threads?: number;
  limits?: { wallSeconds: number; memoryBytes: number };
};

export type WholeJob = {
  summary: PlanSummary;
  plan: Plan;
  presentation: Presentation;
  /** Absent where there is only sound. */
  receipt?: Receipt;
  certificate: { checks: { name: string; count: number }[] };
  r2: MemoryR2;
  /** Init and all segments of a track, as a player appends them. */
  trackBytes(stem: string): Buffer;
  /** A document of the generation. */
  text(name: string): string;
  /** A document by its whole key. */
  document(key: string): string;
};

/** @throws whatever the first failing task throws. */
export async function runWholeJob(path: string, settings: JobSettings = {}): Promise<WholeJob> {
  const r2 = memoryR2({ [SOURCE_KEY]: await readFile(path) });
  const planned = await runJobTask(r2, 'plan', settings);
  if (planned.kind !== 'planned') throw new Error(`the plan task ended ${planned.kind}`);
  const { summary } = planned;
  for (const index of summary.chunks.keys()) await runJobTask(r2, `chunk:${index}`, settings);
  for (let index = 0; index < summary.audioTracks; index++) await runJobTask(r2, `audio:${index}`, settings);
  if (summary.textTracks) await runJobTask(r2, 'text', settings);
  const finished = await runJobTask(r2, 'finish', settings);
  if (finished.kind !== 'published') throw new Error(`the finish task ended ${finished.kind}`);

  const document = (key: string) => new TextDecoder().decode(r2.objects.get(key));
  const text = (name: string) => document(JOB_PREFIX + name);
  return {
    summary,
    plan: Plan.parse(JSON.parse(document(planKey('j1')))),
    presentation: finished.presentation,
    ...(finished.receipt && { receipt: finished.receipt }),
    certificate: JSON.parse(text(CERTIFICATE)),
    r2,
    text,
    document,
    trackBytes(stem) {
      const parts = [r2.objects.get(JOB_PREFIX + initName(stem))];
      for (let index = 0; parts.at(-1); index++) {
        parts.push(r2.objects.get(JOB_PREFIX + segmentName(stem, index)));
      }
      return Buffer.concat(parts.filter((part) => part !== undefined));
    },
  };
}

/** One task of the job whose source lies in `r2`. */
export async function runJobTask(r2: MemoryR2, name: string, settings: JobSettings): Promise<TaskOutcome> {
  const claim = claimOf(name, r2.objects.get(SOURCE_KEY)!.length, PlanOptions.parse(settings.options ?? {}));
  await using scratch = await createScratch(name);
  await using source = await openSource(r2, claim.job.source, scratch);
  return await runTask({
    claim,
    r2,
    source,
    scratch,
    signal: new AbortController().signal,
    threads: settings.threads ?? 1,
    limits: settings.limits ?? LIMITS,
    log: silent(),
    commit: async () => undefined,
    beginImport: () => Promise.reject(new Error('this is no import')),
    contentKey: async (number) => contentKeyOf(number),
    progress: () => undefined,
  });
}

/** Of the job's keys, the same for every task. */
export function contentKeyOf(number: number): ContentKey {
  const keyId = createHash('md5').update(`key ${number}`).digest('hex');
  return { keyId, key: createHash('md5').update(`secret ${number}`).digest() };
}

function claimOf(name: string, sizeBytes: number, options: PlanOptions): Claim {
  const [kind, index = '0'] = name.split(':');
  return {
    jobToken: 'token',
    leaseSeconds: 90,
    heartbeatSeconds: 15,
    task: {
      jobId: 'j1',
      name,
      kind: kind as Claim['task']['kind'],
      index: Number(index),
      epoch: 1,
      mark: 0,
    },
    job: {
      videoId: 'v1',
      source: { key: SOURCE_KEY, etag: 'etag', sizeBytes },
      outputPrefix: JOB_PREFIX,
      options,
    },
    storage: { endpoint: '', bucket: '', accessKeyId: '', secretAccessKey: '' },
  };
}
