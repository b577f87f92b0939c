import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Env } from '../../worker/env.ts';
import { endAttempt } from '../../worker/jobs/attempt.ts';
import { createJobStatements } from '../../worker/jobs/create.ts';
import { drainOutbox, ticketsFor } from '../../worker/jobs/outbox.ts';
import { renderJob } from '../../worker/jobs/render.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import {
  clearTasks,
  env,
  jobRow,
  jobToCreate,
  latestJob,
  log,
  mustClaim,
  newJob,
  runJob,
  ticketsOf,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** The Worker's bindings with a queue that remembers, and refuses while `isDown`. */
function withQueue(options: { isDown?: boolean } = {}) {
  const send = vi.fn(async (_body: unknown, _options?: QueueSendOptions) => {
    if (options.isDown) throw new Error('queue down');
    return {};
  });
  return { send, env: { ...env, TICKETS: { send } } as unknown as Env };
}

const makeDue = () => env.DB.prepare('UPDATE outbox SET next_at = 0').run();

describe('draining the outbox', () => {
  test('sends each ticket once as JSON and forgets it', async () => {
    const job = await newJob();
    const queue = withQueue();
    const sent = await Promise.all([drainOutbox(queue.env, log), drainOutbox(queue.env, log)]);
    expect(sent[0] + sent[1]).toBe(1);
    expect(queue.send.mock.calls).toEqual([
      [
        { v: 1, jobId: job.jobId },
        { contentType: 'json', delaySeconds: 0 },
      ],
    ]);
    expect(await ticketsOf(job.jobId)).toBe(0);
  });

  test('keeps what could not be sent and tries again later', async () => {
    const job = await newJob();
    const beforeSeconds = await env.DB.prepare('SELECT unixepoch() AS n').first<number>('n');
    expect(await drainOutbox(withQueue({ isDown: true }).env, log)).toBe(0);
    const row = await env.DB.prepare('SELECT attempts, next_at > ? AS is_later FROM outbox')
      .bind(beforeSeconds)
      .first();
    expect(row).toEqual({ attempts: 1, is_later: 1 });
    // As if no time had passed since then.
    await env.DB.prepare('UPDATE outbox SET next_at = next_at + 60').run();
    const queue = withQueue();
    expect(await drainOutbox(queue.env, log)).toBe(0);
    await makeDue();
    expect(await drainOutbox(queue.env, log)).toBe(1);
    expect(await ticketsOf(job.jobId)).toBe(0);
  });

  test('holds the ticket of a backed-off task back as long as the task', async () => {
    await newJob();
    const held = await mustClaim();
    const queue = withQueue();
    await env.DB.prepare('DELETE FROM outbox').run();
    const attempt = { jobId: held.task.jobId, task: 'plan', epoch: held.task.epoch };
    await endAttempt(env.DB, attempt, { cause: 'retryable', code: 'storage_unavailable', detail: 'x' });
    await drainOutbox(queue.env, log);
    const delay = queue.send.mock.calls[0]?.[1]?.delaySeconds ?? 0;
    expect(delay).toBeGreaterThanOrEqual(1);
    expect(delay).toBeLessThanOrEqual(2);
  });
});

test('work wakes transcoders in proportion, five at most', () => {
  expect([1, 4, 5, 17, 900].map(ticketsFor)).toEqual([1, 1, 2, 5, 5]);
});

describe('creating a job', () => {
  test('does nothing at all where the guard does not hold', async () => {
    const job = { ...(await newJob()), jobId: crypto.randomUUID() };
    await clearTasks();
    const refused = { sql: 'EXISTS (SELECT 1 FROM videos WHERE id = ?)', params: ['no-such-video'] };
    await env.DB.batch(createJobStatements(env.DB, jobToCreate(job), refused));
    expect(await jobRow(job)).toEqual({});
    expect(await ticketsOf(job.jobId)).toBe(0);
    const granted = { sql: 'EXISTS (SELECT 1 FROM videos WHERE id = ?)', params: [job.videoId] };
    await env.DB.batch(createJobStatements(env.DB, jobToCreate(job), granted));
    expect(await jobRow(job)).toMatchObject({ state: 'queued', seq: 2 });
    expect(await ticketsOf(job.jobId)).toBe(1);
  });

  test('repeated after the job has failed leaves the video failed', async () => {
    const job = await newJob();
    expect(await videoRow(job)).toMatchObject({ state: 'processing' });
    await told('fail', (await mustClaim()).jobToken, {
      kind: 'media',
      code: 'media_not_video',
      detail: 'No.',
    });
    await env.DB.batch(createJobStatements(env.DB, jobToCreate(job), { sql: '1', params: [] }));
    expect(await videoRow(job)).toMatchObject({ state: 'failed', error_code: 'media_not_video' });
  });
});

describe('the sweeper', () => {
  test('wakes transcoders again for work that has waited too long, and not for fresh work', async () => {
    const forgotten = await newJob();
    const fresh = await newJob();
    await env.DB.prepare('DELETE FROM outbox').run();
    const age = 'UPDATE tasks SET not_before = unixepoch() - 120 WHERE job_id = ?';
    await env.DB.prepare(age).bind(forgotten.jobId).run();
    const queue = withQueue();
    await sweep(queue.env, log);
    expect(queue.send.mock.calls.map(([body]) => body)).toEqual([{ v: 1, jobId: forgotten.jobId }]);
    expect(await ticketsOf(fresh.jobId)).toBe(0);
  });

  test('drops the tasks of jobs that ended a week ago; the job still knows how many it had', async () => {
    const old = await newJob();
    await runJob(old);
    const recent = await newJob();
    await runJob(recent);
    const age = 'UPDATE jobs SET finished_at = unixepoch() - 8 * 24 * 3600 WHERE id = ?';
    await env.DB.prepare(age).bind(old.jobId).run();
    await sweep(withQueue().env, log);
    expect((await latestJob(old)).tasks_total).toBe(0);
    expect((await latestJob(recent)).tasks_total).toBe(3);
    expect(renderJob(await latestJob(old))).toMatchObject({
      state: 'succeeded',
      tasks: { done: 3, total: 3 },
    });
  });
});
