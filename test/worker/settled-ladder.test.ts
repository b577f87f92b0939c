import { expect, test } from 'vitest';
import { ladderKey } from '../../shared/object-keys.ts';
import type { Trial } from '../../shared/trial.ts';
import { ladderPlanOf, planOf } from '../../worker/playback/growing-documents.ts';
import { growingJob } from './growing-fixtures.ts';
import { env } from './ledger-fixtures.ts';

const NAMES = ['240p', '360p'];
const trial: Trial = {
  windows: [{ firstFrame: 30, frames: 10 }],
  rungs: NAMES.map((name) => ({ name, maxBitrateBps: 1000, averageBps: 100, isKept: name === '360p' })),
};

test('a growing ladder holds the rungs that a later trial kept, its plan all of them', async () => {
  const job = await growingJob(4, { instantSegments: 2 });
  await env.MEDIA.put(ladderKey(job.jobId), JSON.stringify({ version: 1, trial }));
  const namesOf = ({ renditions }: { renditions: { name: string }[] }) => renditions.map(({ name }) => name);
  expect(namesOf(await ladderPlanOf(env.MEDIA, job.jobId))).toEqual(['360p']);
  expect(namesOf(await planOf(env.MEDIA, job.jobId))).toEqual(NAMES);
});

test('a ladder that was tried before its plan was stored is that of the plan', async () => {
  const job = await growingJob(4);
  await env.MEDIA.put(ladderKey(job.jobId), JSON.stringify({ version: 1, trial }));
  expect((await ladderPlanOf(env.MEDIA, job.jobId)).renditions.map(({ name }) => name)).toEqual(NAMES);
});
