import { SELF } from 'cloudflare:test';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../../shared/api.ts';
import type { JobList, JobTasks } from '../../shared/job-api.ts';
import { parseSigningKeys, signToken } from '../../shared/sign.ts';
import {
  addJob,
  call,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  mustClaim,
  newJob,
  ORIGIN,
  PRESENTATION,
  planned,
  planOf,
  refusalOf,
  runJob,
  type TestJob,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

async function read(job: TestJob): Promise<Job> {
  const response = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}`);
  expect(response.status).toBe(200);
  return response.json<Job>();
}

describe('reading a job', () => {
  test('shows it from queued over its stages to succeeded', async () => {
    const job = await newJob();
    expect(await read(job)).toMatchObject({
      id: job.jobId,
      videoId: job.videoId,
      kind: 'transcode',
      state: 'queued',
      stage: 'queued',
      progress: 0,
      tasks: { done: 0, total: 1 },
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const plan = await mustClaim();
    expect(await read(job)).toMatchObject({ state: 'running', stage: 'planning' });
    await told('plan', plan.jobToken, { summary: planOf([1, 1], 0) });
    expect(await read(job)).toMatchObject({ stage: 'encoding', progress: 2, tasks: { done: 1, total: 4 } });
    await finishTask(await mustClaim(), 1);
    expect(await read(job)).toMatchObject({
      stage: 'encoding',
      progress: 49.5,
      tasks: { done: 2, total: 4 },
    });
    await finishTask(await mustClaim(), 1);
    expect(await read(job)).toMatchObject({ stage: 'finishing', progress: 97 });
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    expect(await read(job)).toMatchObject({
      state: 'succeeded',
      progress: 100,
      tasks: { done: 4, total: 4 },
      timings: { queuedSeconds: expect.any(Number), runningSeconds: expect.any(Number) },
    });
  });

  test('tells why it failed', async () => {
    const job = await newJob();
    await told('fail', (await mustClaim()).jobToken, {
      kind: 'media',
      code: 'media_encrypted',
      detail: 'Locked.',
    });
    expect(await read(job)).toMatchObject({
      state: 'failed',
      error: { code: 'media_encrypted', detail: 'Locked.' },
    });
  });

  const routes: [method: string, path: string][] = [
    ['GET', ''],
    ['GET', '/tasks'],
    ['POST', '/retry'],
    ['POST', '/cancel'],
    ['POST', '/ticket'],
    ['GET', '/events'],
  ];
  test.each(routes)('%s /v1/jobs/:id%s is not found for another owner', async (method, suffix) => {
    const job = await newJob();
    const path = `/v1/jobs/${job.jobId}${suffix}`;
    expect(await refusalOf(call('somebody-else', method, path, { role: 'admin' }))).toBe('not_found');
    const own = await call(job.ownerId, method, path, { role: 'admin' });
    expect(own.status).not.toBe(404);
    await own.body?.cancel();
  });

  test('is open to the guest of a link to its video, and to no other guest', async () => {
    const job = await newJob();
    const guestOf = async (video: string) => {
      const exp = Math.floor(Date.now() / 1000) + 60;
      const keys = parseSigningKeys(String(env.SIGNING_KEYS));
      const token = await signToken('watch', { video, owner: job.ownerId, exp }, keys);
      return SELF.fetch(`${ORIGIN}/v1/jobs/${job.jobId}`, { headers: { Authorization: `Bearer ${token}` } });
    };
    expect(await refusalOf(await guestOf('another-video'))).toBe('not_found');
    expect((await guestOf(job.videoId)).status).toBe(200);
  });

  test('needs a credential', async () => {
    const job = await newJob();
    expect(await refusalOf(SELF.fetch(`${ORIGIN}/v1/jobs/${job.jobId}`))).toBe('unauthorized');
  });
});

describe('the list of jobs', () => {
  const list = async (ownerId: string, query = '') =>
    (await call(ownerId, 'GET', `/v1/jobs${query}`, { role: 'viewer' })).json<JobList>();

  test('shows an owner’s own jobs with their videos’ titles, newest first, page by page', async () => {
    const first = await newJob();
    const { ownerId, videoId } = first;
    const ids = [first.jobId];
    for (let index = 0; index < 4; index++) ids.push((await addJob(videoId, ownerId)).jobId);
    // Three of them in the same second, so that the id has to decide.
    for (const [index, id] of ids.entries()) {
      const second = 1000 + Math.max(0, index - 2);
      await env.DB.prepare('UPDATE jobs SET created_at = ? WHERE id = ?').bind(second, id).run();
    }
    const all = await list(ownerId);
    expect(all.nextCursor).toBeUndefined();
    expect(all.jobs.map(({ id }) => id)).toEqual([ids[4], ids[3], ...ids.slice(0, 3).sort().reverse()]);
    expect(all.jobs[0]).toMatchObject({ videoId, videoTitle: 'A film', state: 'queued', progress: 0 });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list(ownerId, `?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.jobs.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(all.jobs.map(({ id }) => id));
    expect(await list('somebody-else')).toEqual({ jobs: [] });
  });

  test('can be of one state alone', async () => {
    const done = await newJob();
    await runJob(done);
    const open = await addJob(done.videoId, done.ownerId);
    const of = async (state: string) =>
      (await list(done.ownerId, `?state=${state}`)).jobs.map(({ id }) => id);
    expect(await of('queued')).toEqual([open.jobId]);
    expect(await of('succeeded')).toEqual([done.jobId]);
    expect(await of('failed')).toEqual([]);
  });

  test('leaves out what is being deleted', async () => {
    const job = await newJob();
    expect((await list(job.ownerId)).jobs).toHaveLength(1);
    await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(job.videoId).run();
    expect((await list(job.ownerId)).jobs).toEqual([]);
  });

  test.each(['limit=0', 'limit=101', 'cursor=x', 'state=lost'])('refuses the query %s', async (query) => {
    expect(await refusalOf(call('anybody', 'GET', `/v1/jobs?${query}`))).toBe('invalid_request');
    expect((await call('anybody', 'GET', '/v1/jobs?limit=100&cursor=1000_0a&state=queued')).status).toBe(200);
  });
});

describe('the tasks of a job', () => {
  test('stand in the order of the work, with what is done of each', async () => {
    const job = await newJob();
    await planned(job, [2, 1]);
    const chunk = await mustClaim();
    const response = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}/tasks`, { role: 'viewer' });
    const { tasks } = await response.json<JobTasks>();
    expect(tasks.map(({ name, state }) => [name, state])).toEqual([
      ['plan', 'done'],
      [chunk.task.name, 'running'],
      [expect.stringMatching(/^chunk/), 'ready'],
      ['finish', 'blocked'],
    ]);
    expect(tasks[1]).toMatchObject({ attempts: 1, setbacks: 0, segments: { done: 0, total: 2 } });
    expect(tasks[1]?.startedAt).toMatch(/Z$/);
  });
});

describe('retrying', () => {
  const retry = (job: TestJob) => call(job.ownerId, 'POST', `/v1/jobs/${job.jobId}/retry`);

  async function failed(): Promise<TestJob> {
    const job = await newJob();
    await told('fail', (await mustClaim()).jobToken, { kind: 'media', code: 'media_malformed', detail: 'x' });
    return job;
  }

  test('a failed job makes a new one with a new generation, and the video works again', async () => {
    const job = await failed();
    const response = await retry(job);
    expect(response.status).toBe(202);
    const { jobId } = await response.json<{ jobId: string }>();
    expect(jobId).not.toBe(job.jobId);
    expect(await jobRow(job)).toMatchObject({ state: 'failed' });
    expect(await videoRow(job)).toMatchObject({ state: 'processing', error_code: null });
    const claimed = await mustClaim();
    expect(claimed.task.jobId).toBe(jobId);
    expect(claimed.job).toMatchObject({
      source: { key: `sources/${job.videoId}/upload` },
      outputPrefix: `hls/movies/${job.videoId}/${jobId}/`,
    });
  });

  test('is refused while the job is at work', async () => {
    const job = await newJob();
    expect(await refusalOf(retry(job))).toBe('job_not_finished');
    await told('fail', (await mustClaim()).jobToken, { kind: 'media', code: 'media_malformed', detail: 'x' });
    expect((await retry(job)).status).toBe(202);
  });

  test('is refused for a job that has succeeded', async () => {
    const job = await newJob();
    await runJob(job);
    expect(await refusalOf(retry(job))).toBe('job_finished');
  });

  test('is granted once: while the new job is at work, the video is busy', async () => {
    const job = await failed();
    const answers = await Promise.all([retry(job), retry(job), retry(job)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([202, 409, 409]);
    const refused = answers.find((answer) => answer.status === 409);
    expect(await refusalOf(refused as Response)).toBe('video_busy');
  });

  test('is not for viewers', async () => {
    const job = await failed();
    const asViewer = call(job.ownerId, 'POST', `/v1/jobs/${job.jobId}/retry`, { role: 'viewer' });
    expect(await refusalOf(asViewer)).toBe('forbidden');
    expect((await retry(job)).status).toBe(202);
  });
});

describe('cancelling', () => {
  const cancel = (job: TestJob) => call(job.ownerId, 'POST', `/v1/jobs/${job.jobId}/cancel`);

  test('stops the work, fails the video and answers the job', async () => {
    const job = await newJob();
    await planned(job, [1]);
    const held = await mustClaim();
    const response = await cancel(job);
    expect(await response.json()).toMatchObject({ state: 'cancelled', error: { code: 'job_cancelled' } });
    expect(await refusalOf(internal('heartbeat', held.jobToken))).toBe('lease_lost');
    expect(await videoRow(job)).toMatchObject({ state: 'failed', error_code: 'job_cancelled' });
    expect((await cancel(job)).status).toBe(200);
  });

  test('leaves a ready video ready', async () => {
    const job = await newJob();
    await runJob(job);
    const again = await addJob(job.videoId, job.ownerId);
    expect((await cancel(again)).status).toBe(200);
    expect(await videoRow(job)).toMatchObject({ state: 'ready', published_job: job.jobId });
  });

  test('is refused once the job has succeeded', async () => {
    const job = await newJob();
    await runJob(job);
    expect(await refusalOf(cancel(job))).toBe('job_finished');
  });
});
