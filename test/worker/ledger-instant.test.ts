import { beforeEach, describe, expect, test } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import {
  claim,
  clearTasks,
  finishTask,
  internal,
  jobRow,
  lapse,
  latestJob,
  mustClaim,
  newJob,
  PRESENTATION,
  planOf,
  refusalOf,
  type TestJob,
  taskRow,
  told,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** A planned job whose source can be copied in so many segments; its copy is claimed. */
async function copying(segments: number): Promise<{ job: TestJob; copy: Claim }> {
  const job = await newJob();
  const plan = await mustClaim();
  const summary = { ...planOf([1]), audioTracks: 0, instantSegments: segments };
  await told('plan', plan.jobToken, { summary });
  return { job, copy: await mustClaim() };
}

describe('the copy of a source', () => {
  test('is handed out before the first chunk, and is not made where the plan has none', async () => {
    const { job, copy } = await copying(2);
    expect(copy.task).toMatchObject({
      jobId: job.jobId,
      name: 'instant',
      kind: 'instant',
      index: 0,
      mark: 0,
    });
    expect((await mustClaim()).task.name).toBe('chunk:0');
    expect(await claim()).toBeUndefined();

    await newJob();
    await told('plan', (await mustClaim()).jobToken, { summary: planOf([1], 0) });
    expect((await mustClaim()).task.name).toBe('chunk:0');
    expect(await claim()).toBeUndefined();
  });

  test('is committed segment by segment, to its last and no further', async () => {
    const { job, copy } = await copying(2);
    await told('commit', copy.jobToken, { mark: 1 });
    expect(await refusalOf(internal('done', copy.jobToken, { mark: 1 }))).toBe('commit_out_of_order');
    await told('commit', copy.jobToken, { mark: 2 });
    expect(await refusalOf(internal('commit', copy.jobToken, { mark: 3 }))).toBe('commit_out_of_order');
    await told('done', copy.jobToken, { mark: 2 });
    expect(await taskRow(job.jobId, 'instant')).toMatchObject({ state: 'done', mark: 2 });
    expect(await taskRow(job.jobId, 'finish')).toMatchObject({ state: 'blocked' });
  });

  test('goes on after its mark when the one who made it is gone', async () => {
    const { copy } = await copying(3);
    await told('commit', copy.jobToken, { mark: 1 });
    await lapse(copy);
    expect((await mustClaim('worker-b')).task).toMatchObject({ kind: 'instant', epoch: 2, mark: 1 });
  });

  test('is not counted among the tasks of its job', async () => {
    const { job } = await copying(2);
    expect(await latestJob(job)).toMatchObject({ tasks_total: 3, tasks_done: 1 });
  });
});

describe('a job', () => {
  const verdict = { code: 'media_malformed', detail: 'The file is damaged.', kind: 'media' };

  test('goes on when its copy fails, and ends when a chunk does', async () => {
    const { job, copy } = await copying(2);
    await told('fail', copy.jobToken, verdict);
    expect(await taskRow(job.jobId, 'instant')).toMatchObject({ state: 'failed' });
    expect(await jobRow(job)).toMatchObject({ state: 'running', error_code: null });
    await told('fail', (await mustClaim()).jobToken, verdict);
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'media_malformed' });
  });

  test('is published whatever became of its copy', async () => {
    for (const end of ['failed', 'open', 'done']) {
      await clearTasks();
      const { job, copy } = await copying(1);
      if (end === 'failed') await told('fail', copy.jobToken, verdict);
      if (end === 'done') await finishTask(copy, 1);
      await finishTask(await mustClaim(), 1);
      const finish = await mustClaim();
      expect(finish.task.name).toBe('finish');
      await told('publish', finish.jobToken, { presentation: PRESENTATION });
      expect(await jobRow(job)).toMatchObject({ state: 'succeeded' });
      const state = end === 'open' ? 'cancelled' : end;
      expect(await taskRow(job.jobId, 'instant')).toMatchObject({ state });
      expect(await claim()).toBeUndefined();
    }
  });

  test('takes the lease from the copy when it is published, and not before', async () => {
    const { copy } = await copying(3);
    await finishTask(await mustClaim(), 1);
    const finish = await mustClaim();
    await told('commit', copy.jobToken, { mark: 1 });
    await told('publish', finish.jobToken, { presentation: PRESENTATION });
    expect(await refusalOf(internal('commit', copy.jobToken, { mark: 2 }))).toBe('lease_lost');
  });
});
