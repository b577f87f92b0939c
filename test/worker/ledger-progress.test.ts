import { beforeEach, describe, expect, test } from 'vitest';
import { acceptPlan } from '../../worker/jobs/accept-plan.ts';
import {
  chunkAtWork,
  claim,
  clearTasks,
  env,
  finishTask,
  internal,
  lapse,
  mustClaim,
  newJob,
  planned,
  planOf,
  refusalOf,
  taskRow,
  ticketsOf,
  told,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

describe('committing', () => {
  test('moves the mark one by one and answers a repeat of the last commit the same', async () => {
    const { job, held } = await chunkAtWork();
    expect(await told('commit', held.jobToken, { mark: 1 })).toEqual({ mark: 1 });
    expect(await told('commit', held.jobToken, { mark: 1 })).toEqual({ mark: 1 });
    expect(await told('commit', held.jobToken, { mark: 2 })).toEqual({ mark: 2 });
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ mark: 2 });
  });

  test('refuses a gap, a step back and a segment beyond the chunk', async () => {
    const { held } = await chunkAtWork();
    expect(await refusalOf(internal('commit', held.jobToken, { mark: 2 }))).toBe('commit_out_of_order');
    for (const mark of [1, 2, 3]) await told('commit', held.jobToken, { mark });
    expect(await refusalOf(internal('commit', held.jobToken, { mark: 2 }))).toBe('commit_out_of_order');
    expect(await refusalOf(internal('commit', held.jobToken, { mark: 4 }))).toBe('commit_out_of_order');
  });

  test('counts each of many concurrent repeats once', async () => {
    const { job, held } = await chunkAtWork();
    const repeats = Array.from({ length: 20 }, () => told('commit', held.jobToken, { mark: 1 }));
    expect(await Promise.all(repeats)).toEqual(repeats.map(() => ({ mark: 1 })));
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ mark: 1 });
  });

  test('goes on after the last committed segment when another transcoder takes over', async () => {
    const { job, held } = await chunkAtWork();
    await told('commit', held.jobToken, { mark: 1 });
    await lapse(held);
    const next = await mustClaim('worker-b');
    expect(next.task).toMatchObject({ name: 'chunk:0', epoch: 2, mark: 1 });
    await finishTask(next, 3);
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ state: 'done', mark: 3 });
  });
});

describe('the plan', () => {
  test('is refused when its chunks do not add up', async () => {
    await newJob();
    const held = await mustClaim();
    const summary = planOf([1, 2]);
    const tooLong = { ...summary, segmentCount: 4 };
    expect(await refusalOf(internal('plan', held.jobToken, { summary: tooLong }))).toBe('plan_invalid');
    await told('plan', held.jobToken, { summary });
  });

  test('of a long film makes hundreds of tasks and a few tickets', async () => {
    const job = await newJob();
    const held = await mustClaim();
    await env.DB.prepare('DELETE FROM outbox').run();
    const attempt = { jobId: job.jobId, task: 'plan', epoch: held.task.epoch };
    await acceptPlan(
      env.DB,
      attempt,
      planOf(
        Array.from({ length: 900 }, () => 8),
        0,
      ),
    );
    const tasks = 'SELECT count(*) AS n FROM tasks WHERE job_id = ?';
    expect(await env.DB.prepare(tasks).bind(job.jobId).first('n')).toBe(902);
    expect(await ticketsOf(job.jobId)).toBe(5);
  });
});

describe('ending a task', () => {
  test('needs every segment of a chunk, and makes finish ready after the last task', async () => {
    const job = await newJob();
    await planned(job, [1, 2], 1);
    const [first, audio, second] = [await mustClaim(), await mustClaim(), await mustClaim()];
    await finishTask(first, 1);
    await finishTask(audio, 2);
    await told('commit', second.jobToken, { mark: 1 });
    expect(await refusalOf(internal('done', second.jobToken, { mark: 1 }))).toBe('commit_out_of_order');
    expect(await taskRow(job.jobId, 'finish')).toMatchObject({ state: 'blocked' });
    expect(await claim()).toBeUndefined();
    await told('commit', second.jobToken, { mark: 2 });
    await told('done', second.jobToken, { mark: 2 });
    await told('done', second.jobToken, { mark: 2 });
    expect((await mustClaim()).task).toMatchObject({ name: 'finish' });
  });
});
