import { beforeEach, describe, expect, test } from 'vitest';
import { cancelJobsStatements } from '../../worker/jobs/cancel.ts';
import {
  addJob,
  claim,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  lapse,
  mustClaim,
  newJob,
  planned,
  refusalOf,
  runJob,
  taskRow,
  told,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

describe('claiming', () => {
  test('hands a task to one of 200 concurrent claims', async () => {
    const job = await newJob();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => claim(`worker-${index}`)));
    const winners = answers.filter((answer) => answer !== undefined);
    expect(winners.map((winner) => winner.task.jobId)).toEqual([job.jobId]);
    expect(await taskRow(job.jobId, 'plan')).toMatchObject({ state: 'running', epoch: 1 });
  });

  test('gives everything a transcoder needs and starts the job', async () => {
    const job = await newJob();
    const claimed = await mustClaim('worker-a');
    expect(claimed).toMatchObject({
      leaseSeconds: 60,
      heartbeatSeconds: 1,
      task: { jobId: job.jobId, name: 'plan', kind: 'plan', index: 0, epoch: 1, mark: 0 },
      job: {
        videoId: job.videoId,
        source: { key: `sources/${job.videoId}/upload`, etag: 'etag', sizeBytes: 1000 },
        outputPrefix: `hls/movies/${job.videoId}/${job.jobId}/`,
        options: { segmentSeconds: 6, preset: 'veryfast' },
      },
      storage: { bucket: 'reelay-media', accessKeyId: 'test-access-key' },
    });
    expect(await jobRow(job)).toMatchObject({ state: 'running', started_at: expect.any(Number) });
  });

  test('answers 204 when there is nothing to do', async () => {
    const response = await internal('claim', env.TRANSCODER_SECRET, { workerId: 'w', profile: 'p' });
    expect(response.status).toBe(204);
  });

  test('is refused without the transcoder secret and granted with it', async () => {
    await newJob();
    const body = { workerId: 'w', profile: 'p' };
    expect(await refusalOf(internal('claim', 'wrong-secret', body))).toBe('unauthorized');
    expect((await internal('claim', env.TRANSCODER_SECRET, body)).status).toBe(200);
  });

  test('keeps a task back until its time has come', async () => {
    const job = await newJob();
    const waits = 'UPDATE tasks SET not_before = unixepoch() + ? WHERE job_id = ?';
    await env.DB.prepare(waits).bind(60, job.jobId).run();
    expect(await claim()).toBeUndefined();
    await env.DB.prepare(waits).bind(0, job.jobId).run();
    expect((await mustClaim()).task.jobId).toBe(job.jobId);
  });
});

describe('urgency', () => {
  /** Claims until nothing is left, without ending anything. */
  async function drain(): Promise<string[]> {
    const order: string[] = [];
    for (let next = await claim(); next; next = await claim())
      order.push(`${next.task.jobId}/${next.task.name}`);
    return order;
  }

  test('runs the first chunk, then audio, then the chunks in order; finish waits', async () => {
    const job = await newJob();
    await planned(job, [1, 2, 4], 2);
    const names = ['chunk:0', 'audio:0', 'audio:1', 'chunk:1', 'chunk:2'];
    expect(await drain()).toEqual(names.map((name) => `${job.jobId}/${name}`));
  });

  test('puts plans before chunks, and any task of a more important job first', async () => {
    const first = await newJob();
    await planned(first, [1, 1]);
    const second = await newJob();
    expect((await mustClaim()).task).toMatchObject({ jobId: second.jobId, name: 'plan' });
    await newJob();
    await env.DB.prepare('UPDATE jobs SET priority = 1 WHERE id = ?').bind(first.jobId).run();
    expect((await mustClaim()).task).toMatchObject({ jobId: first.jobId, name: 'chunk:0' });
  });

  test('prefers a job somebody watches', async () => {
    const older = await newJob();
    await planned(older, [1]);
    const watched = await newJob();
    await planned(watched, [1]);
    await env.DB.prepare('UPDATE jobs SET watched_until = unixepoch() + 60 WHERE id = ?')
      .bind(watched.jobId)
      .run();
    expect((await mustClaim()).task.jobId).toBe(watched.jobId);
  });

  test('prefers a short video over a long one', async () => {
    const long = await newJob();
    await planned(long, [100]);
    const short = await newJob();
    await planned(short, [1]);
    expect((await mustClaim()).task.jobId).toBe(short.jobId);
  });

  test('prefers the owner with fewer running tasks', async () => {
    const busy = await newJob();
    await env.DB.prepare('UPDATE jobs SET created_at = created_at - 10 WHERE id = ?').bind(busy.jobId).run();
    await planned(busy, [1, 1, 1]);
    await mustClaim();
    const modest = await newJob();
    await planned(modest, [1, 1]);
    expect((await mustClaim()).task).toMatchObject({ jobId: modest.jobId, name: 'chunk:0' });
    // Both owners have one task at work now; the older job goes first.
    expect((await mustClaim()).task).toMatchObject({ jobId: busy.jobId, name: 'chunk:1' });
    expect((await mustClaim()).task).toMatchObject({ jobId: modest.jobId, name: 'chunk:1' });
  });
});

describe('the encoder profile', () => {
  test('keeps the chunks of a job with commits for one profile; other tasks are free', async () => {
    const job = await newJob();
    await planned(job, [1, 1], 1);
    const chunk = await mustClaim('worker-a', 'profile-1');
    await finishTask(chunk, 1);
    expect((await mustClaim('worker-b', 'profile-2')).task.name).toBe('audio:0');
    expect(await claim('worker-b', 'profile-2')).toBeUndefined();
    expect((await mustClaim('worker-a', 'profile-1')).task.name).toBe('chunk:1');
  });

  test('lets another profile begin where nothing is committed nor being encoded', async () => {
    const job = await newJob();
    await planned(job, [1, 1]);
    const lost = await mustClaim('worker-a', 'profile-1');
    expect(await claim('worker-b', 'profile-2')).toBeUndefined();
    await lapse(lost);
    const taken = await mustClaim('worker-b', 'profile-2');
    expect(taken.task).toMatchObject({ name: 'chunk:0', epoch: 2 });
    expect(await jobRow(job)).toMatchObject({ profile: 'profile-2' });
  });
});

describe('a cancelled job', () => {
  test('is no longer handed out and its transcoder loses the lease', async () => {
    const job = await newJob();
    await planned(job, [1, 1]);
    const claimed = await mustClaim();
    await told('heartbeat', claimed.jobToken);
    await env.DB.batch(cancelJobsStatements(env.DB, job.videoId));
    expect(await claim()).toBeUndefined();
    expect(await refusalOf(internal('heartbeat', claimed.jobToken))).toBe('lease_lost');
    expect(await refusalOf(internal('commit', claimed.jobToken, { mark: 1 }))).toBe('lease_lost');
    expect(await jobRow(job)).toMatchObject({ state: 'cancelled', error_code: 'job_cancelled' });
  });

  test('leaves an ended job of the same video as it is', async () => {
    const job = await newJob();
    await runJob(job);
    const second = await addJob(job.videoId, job.ownerId);
    await env.DB.batch(cancelJobsStatements(env.DB, job.videoId));
    expect(await jobRow(job)).toMatchObject({ state: 'succeeded' });
    expect(await jobRow(second)).toMatchObject({ state: 'cancelled' });
  });
});
