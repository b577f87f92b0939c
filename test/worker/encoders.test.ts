import { beforeEach, describe, expect, test } from 'vitest';
import type { VideoEncoder } from '../../shared/encoder.ts';
import { Claim } from '../../shared/messages.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { type Config, configOf } from '../../worker/env.ts';
import { planOptionsOf } from '../../worker/jobs/plan-options.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import {
  call,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  log,
  mustClaim,
  newJob,
  PRESENTATION,
  planned,
  planOf,
  type TestJob,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(async () => {
  await clearTasks();
  await env.DB.prepare('DELETE FROM encoders_seen').run();
});

async function jobWith(encoder: VideoEncoder): Promise<TestJob> {
  const job = await newJob();
  await env.DB.prepare(`UPDATE jobs SET options = json_set(options, '$.encoder', ?) WHERE id = ?`)
    .bind(encoder, job.jobId)
    .run();
  return job;
}

async function claimBy(workerId: string, encoders?: VideoEncoder[]): Promise<Claim | undefined> {
  const response = await internal('claim', env.TRANSCODER_SECRET, { workerId, profile: 'p', encoders });
  return response.status === 204 ? undefined : Claim.parse(await response.json());
}

const GPU: VideoEncoder[] = ['libx264', 'h264_nvenc'];

describe('a job for a GPU', () => {
  test('is planned and encoded by transcoders that have the encoder alone', async () => {
    const job = await jobWith('h264_nvenc');
    expect(await claimBy('plain')).toBeUndefined();
    expect(await claimBy('cpu', ['libx264'])).toBeUndefined();
    const plan = await claimBy('gpu', GPU);
    expect(plan?.task).toMatchObject({ jobId: job.jobId, kind: 'plan' });
    expect(plan?.job.options.encoder).toBe('h264_nvenc');
    await told('plan', plan!.jobToken, { summary: planOf([1], 1) });
    // Its sound needs no GPU.
    expect((await claimBy('cpu', ['libx264']))?.task.kind).toBe('audio');
    expect(await claimBy('cpu', ['libx264'])).toBeUndefined();
    expect((await claimBy('gpu', GPU))?.task.kind).toBe('chunk');
  });

  test.each<VideoEncoder[] | undefined>([undefined, ['libx264'], GPU])(
    'is not what a libx264 job is: a transcoder with %s takes it',
    async (encoders) => {
      const job = await jobWith('libx264');
      expect((await claimBy('any', encoders))?.task.jobId).toBe(job.jobId);
    },
  );
});

describe('a job whose encoder nobody has', () => {
  const WAIT_SECONDS = 600;

  async function waited(job: TestJob, seconds: number): Promise<void> {
    await env.DB.prepare('UPDATE tasks SET not_before = unixepoch() - ? WHERE job_id = ?')
      .bind(seconds, job.jobId)
      .run();
  }

  const swept = () => sweep({ ...env, ENCODER_WAIT_SECONDS: String(WAIT_SECONDS) }, log);

  test('is refused after the time that is set, with a sentence', async () => {
    const job = await jobWith('h264_nvenc');
    await waited(job, WAIT_SECONDS - 5);
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'queued' });
    await waited(job, WAIT_SECONDS);
    await swept();
    expect(await jobRow(job)).toMatchObject({
      state: 'failed',
      error_code: 'encoder_not_available',
      error_detail: expect.stringContaining('h264_nvenc'),
    });
    expect(await videoRow(job)).toMatchObject({ state: 'failed', error_code: 'encoder_not_available' });
    expect(await claimBy('gpu', GPU)).toBeUndefined();
  });

  test('is not one that has the encoder of every transcoder, however long it waits', async () => {
    const job = await jobWith('libx264');
    await waited(job, 10 * WAIT_SECONDS);
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'queued' });
  });

  test('is not one whose transcoder has asked for work lately', async () => {
    await claimBy('gpu', GPU);
    const job = await jobWith('h264_nvenc');
    await waited(job, 10 * WAIT_SECONDS);
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'queued' });
    await env.DB.prepare('UPDATE encoders_seen SET seen_at = seen_at - ?').bind(WAIT_SECONDS).run();
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'failed' });
  });

  test('is not one whose transcoder is busy to its last slot', async () => {
    const busy = await jobWith('h264_nvenc');
    expect((await claimBy('gpu', GPU))?.task.jobId).toBe(busy.jobId);
    await env.DB.prepare('DELETE FROM encoders_seen').run();
    const job = await jobWith('h264_nvenc');
    await waited(job, WAIT_SECONDS);
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'queued' });
    await env.DB.prepare(`UPDATE tasks SET state = 'done' WHERE job_id = ?`).bind(busy.jobId).run();
    await swept();
    expect(await jobRow(job)).toMatchObject({ state: 'failed' });
  });
});

describe('what a job makes', () => {
  const config = (variables: object): Config => configOf({ ...env, ...variables } as typeof env);
  const LADDER = [{ shortSidePixels: 300, maxBitrateBps: 500_000 }];

  test('is the deployment’s choice where the video has none', () => {
    const deployment = config({
      LADDER: JSON.stringify(LADDER),
      ENCODER: 'h264_nvenc',
      SEGMENT_SECONDS: '4',
    });
    expect(planOptionsOf(deployment, '{}')).toEqual({
      ladder: LADDER,
      encoder: 'h264_nvenc',
      segmentSeconds: 4,
      preset: 'veryfast',
    });
    const own = {
      ladder: [{ shortSidePixels: 100, maxBitrateBps: 90_000 }],
      encoder: 'libx264',
      preset: 'fast',
    };
    expect(planOptionsOf(deployment, JSON.stringify(own))).toMatchObject({ ...own, segmentSeconds: 4 });
    expect(planOptionsOf(deployment, JSON.stringify(own), { encoder: 'h264_nvenc' }).encoder).toBe(
      'h264_nvenc',
    );
  });

  test.each([
    ['LADDER', 'no json'],
    ['LADDER', '[]'],
    ['LADDER', '[{"shortSidePixels":300}]'],
    ['ENCODER', 'prores'],
  ])('is refused at start where %s is %s', (name, value) => {
    expect(() => config({ [name]: value })).toThrow(name);
    expect(() => config({ LADDER: JSON.stringify(LADDER), ENCODER: 'libx264' })).not.toThrow();
  });
});

test('the receipt of a job is in its answer, and a job without one says so by its absence', async () => {
  const receipt: Receipt = {
    version: 1,
    encoder: 'libx264',
    preset: 'veryfast',
    durationSeconds: 6,
    cpuSeconds: { video: 1.5, audio: 0.1, sampling: 0.02 },
    rungs: [
      {
        ...{ name: '720p', width: 1280, height: 720, sizeBytes: 900, averageBps: 1200, peakBps: 1300 },
        ...{ maxBitrateBps: 2_800_000, cpuShareSeconds: 1.5, fixedBitrateBytes: 2_100_000 },
        ssim: { mean: 0.98, worst: 0.97, pictures: 8 },
      },
    ],
    audioBytes: 100,
    fixedBitrateBytes: 2_100_000,
    savedPercent: 99.9,
  };
  const publish = async (body: object) => {
    const job = await newJob();
    await planned(job, [1]);
    await finishTask(await mustClaim(), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION, ...body });
    const answer = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}`);
    return answer.json<{ state: string; receipt?: Receipt }>();
  };
  expect(await publish({ receipt })).toMatchObject({ state: 'succeeded', receipt });
  expect(await publish({})).not.toHaveProperty('receipt');
});
