import { beforeEach, describe, expect, test } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import {
  addJob,
  chunkAtWork,
  claim,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  lapse,
  log,
  mustClaim,
  newJob,
  PRESENTATION,
  passBackoff,
  planned,
  planOf,
  refusalOf,
  runJob,
  taskRow,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

function fail(
  held: Claim,
  kind: 'media' | 'resources' | 'retryable',
  code = 'encode_failed',
): Promise<unknown> {
  return told('fail', held.jobToken, { kind, code, detail: 'It went wrong.' });
}

describe('an attempt that was overtaken', () => {
  const calls: [path: string, body: object][] = [
    ['heartbeat', {}],
    ['commit', { mark: 1 }],
    ['done', { mark: 0 }],
    ['fail', { kind: 'media', code: 'media_malformed', detail: 'x' }],
    ['fail', { kind: 'retryable', code: 'encode_failed', detail: 'x' }],
    ['release', {}],
  ];

  test.each(calls)('is refused %s with %j, which its successor may do', async (path, body) => {
    const { job, held } = await chunkAtWork();
    await lapse(held);
    const successor = await mustClaim('worker-b');
    const before = await taskRow(job.jobId, 'chunk:0');
    expect(await refusalOf(internal(path, held.jobToken, body))).toBe('lease_lost');
    expect(await taskRow(job.jobId, 'chunk:0')).toEqual(before);
    const answer = await internal(path, successor.jobToken, body);
    // An empty chunk cannot be done, but that is another refusal than the lease's.
    expect(path === 'done' ? await refusalOf(answer) : answer.status).toBe(
      path === 'done' ? 'commit_out_of_order' : 200,
    );
  });

  test('cannot plan again, and a repeat of the plan by the same attempt answers the same', async () => {
    const job = await newJob();
    const first = await mustClaim();
    await lapse(first);
    const second = await mustClaim('worker-b');
    const report = { summary: planOf([1, 2]) };
    expect(await refusalOf(internal('plan', first.jobToken, report))).toBe('lease_lost');
    await told('plan', second.jobToken, report);
    await told('plan', second.jobToken, report);
    const tasks = 'SELECT count(*) AS n FROM tasks WHERE job_id = ?';
    expect(await env.DB.prepare(tasks).bind(job.jobId).first('n')).toBe(5);
  });

  test('of a task that is not finish cannot publish', async () => {
    const { held } = await chunkAtWork();
    expect(await refusalOf(internal('publish', held.jobToken, { presentation: PRESENTATION }))).toBe(
      'lease_lost',
    );
  });
});

describe('a lease that lapses', () => {
  test('five times in a row without a segment fails the job as transcoder_lost', async () => {
    const { job, held } = await chunkAtWork();
    await lapse(held);
    for (let times = 2; times <= 4; times += 1) await lapse(await mustClaim());
    expect(await jobRow(job)).toMatchObject({ state: 'running' });
    await lapse(await mustClaim());
    expect(await claim()).toBeUndefined();
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'transcoder_lost' });
    expect(await videoRow(job)).toMatchObject({ state: 'failed', error_code: 'transcoder_lost' });
  });

  test('does not count where a segment was committed', async () => {
    const { job, held } = await chunkAtWork();
    await lapse(held);
    await lapse(await mustClaim());
    const third = await mustClaim();
    await told('commit', third.jobToken, { mark: 1 });
    await lapse(third);
    await lapse(await mustClaim());
    const fifth = await mustClaim();
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ stalls: 1, epoch: 5 });
    await finishTask(fifth, 3);
    expect(await jobRow(job)).toMatchObject({ state: 'running' });
  });

  test('is still good for a heartbeat as long as nobody has taken the task', async () => {
    const { held } = await chunkAtWork();
    await lapse(held);
    await told('heartbeat', held.jobToken);
    expect(await claim()).toBeUndefined();
  });

  test('is found by the sweeper too', async () => {
    const { job, held } = await chunkAtWork();
    await lapse(held);
    await sweep(env, log);
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ state: 'ready', stalls: 1 });
  });
});

describe('a transcoder that starts again', () => {
  test('gives back what it held under its id, and nobody else loses anything', async () => {
    const job = await newJob();
    await planned(job, [1, 1]);
    const mine = await mustClaim('worker-a');
    const other = await mustClaim('worker-b');
    expect(await told('hello', env.TRANSCODER_SECRET, { workerId: 'worker-a' })).toEqual({ released: 1 });
    expect(await refusalOf(internal('heartbeat', mine.jobToken))).toBe('lease_lost');
    await told('heartbeat', other.jobToken);
    expect((await mustClaim('worker-a')).task).toMatchObject({ name: mine.task.name, epoch: 2 });
  });

  test('for ever on the same task fails the job in the end', async () => {
    const { job } = await chunkAtWork();
    for (let restart = 0; restart < 8; restart++) {
      await told('hello', env.TRANSCODER_SECRET, { workerId: 'worker-a' });
      await mustClaim('worker-a');
    }
    expect(await jobRow(job)).toMatchObject({ state: 'running' });
    await told('hello', env.TRANSCODER_SECRET, { workerId: 'worker-a' });
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'transcoder_lost' });
  });
});

describe('a failure', () => {
  test('of the media ends the job with its code and takes the task from everybody else', async () => {
    const job = await newJob();
    await planned(job, [1, 1]);
    const [first, second] = [await mustClaim(), await mustClaim()];
    await fail(first, 'media', 'media_malformed');
    await fail(first, 'media', 'media_malformed');
    expect(await jobRow(job)).toMatchObject({
      state: 'failed',
      error_code: 'media_malformed',
      error_detail: 'It went wrong.',
    });
    expect(await videoRow(job)).toMatchObject({ state: 'failed', error_code: 'media_malformed' });
    expect(await refusalOf(internal('heartbeat', second.jobToken))).toBe('lease_lost');
    expect(await claim()).toBeUndefined();
  });

  test('of a second transcode leaves a ready video ready', async () => {
    const job = await newJob();
    await runJob(job);
    const again = await addJob(job.videoId, job.ownerId);
    await fail(await mustClaim(), 'media', 'media_malformed');
    expect(await jobRow(again)).toMatchObject({ state: 'failed' });
    expect(await videoRow(job)).toMatchObject({ state: 'ready', error_code: null, published_job: job.jobId });
  });

  test('for want of resources is forgiven once', async () => {
    const { job, held } = await chunkAtWork();
    await fail(held, 'resources');
    await fail(held, 'resources');
    expect(await jobRow(job)).toMatchObject({ state: 'running' });
    await fail(await mustClaim(), 'resources');
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'encode_resources' });
  });

  test('of any other kind is tried again after a while, eight times', async () => {
    const { job, held } = await chunkAtWork();
    const beforeSeconds = await env.DB.prepare('SELECT unixepoch() AS n').first<number>('n');
    await fail(held, 'retryable', 'storage_unavailable');
    const { not_before } = await taskRow(job.jobId, 'chunk:0');
    expect(Number(not_before)).toBeGreaterThanOrEqual(beforeSeconds! + 2);
    // As if no time had passed since then.
    await env.DB.prepare('UPDATE tasks SET not_before = not_before + 60 WHERE job_id = ?')
      .bind(job.jobId)
      .run();
    expect(await claim()).toBeUndefined();
    for (let retry = 2; retry <= 8; retry++) {
      await passBackoff();
      await fail(await mustClaim(), 'retryable', 'storage_unavailable');
    }
    expect(await jobRow(job)).toMatchObject({ state: 'running' });
    const row = await taskRow(job.jobId, 'chunk:0');
    const waitSeconds = 'SELECT not_before - unixepoch() AS n FROM tasks WHERE job_id = ? AND name = ?';
    expect(row.state).toBe('ready');
    expect(await env.DB.prepare(waitSeconds).bind(job.jobId, 'chunk:0').first('n')).toBeGreaterThan(110);
    await passBackoff();
    await fail(await mustClaim(), 'retryable', 'storage_unavailable');
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'storage_unavailable' });
  });

  test('with a code of another version still ends the job with one of the table', async () => {
    const { job, held } = await chunkAtWork();
    await fail(held, 'media', 'media_from_the_future');
    expect(await jobRow(job)).toMatchObject({ state: 'failed', error_code: 'encode_failed' });
  });
});

describe('a released task', () => {
  test('is there for the next at once and counts for nothing', async () => {
    const { job, held } = await chunkAtWork();
    await told('release', held.jobToken);
    await told('release', held.jobToken);
    const next = await mustClaim('worker-b');
    expect(next.task).toMatchObject({ name: 'chunk:0', epoch: 2 });
    expect(await taskRow(job.jobId, 'chunk:0')).toMatchObject({ stalls: 0, retries: 0, crashes: 0 });
  });
});
