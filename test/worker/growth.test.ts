import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Video, VideoList } from '../../shared/api.ts';
import { configOf } from '../../worker/env.ts';
import { growWaitingJobs } from '../../worker/jobs/growth.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import { claimTask, commitTo, growingJob, growthRow, play, startedAgo } from './growing-fixtures.ts';
import {
  call,
  clearTasks,
  env,
  finishTask,
  lapse,
  log,
  mustClaim,
  newJob,
  PRESENTATION,
  told,
  videoRow,
} from './ledger-fixtures.ts';
import { seen, watch } from './room-watcher.ts';

// Which commits make a video playable. What is then shown of it: growing-lists.test.ts.

const stateOf = async (job: Parameters<typeof videoRow>[0]) => (await videoRow(job)).state;
const untilState = (job: Parameters<typeof videoRow>[0], state: string) =>
  vi.waitFor(async () => expect(await stateOf(job)).toBe(state), { timeout: 20_000 });

beforeEach(clearTasks);

describe('a video whose segments come faster than they are watched', () => {
  it('is playable with its third segment, not with its second', async () => {
    const job = await growingJob(10);
    await finishTask(await claimTask('chunk:0'), 1);
    const chunk = await claimTask('chunk:1');
    await commitTo(chunk, 0, 1);
    await growWaitingJobs({ db: env.DB, config: configOf(env), log });
    expect(await stateOf(job)).toBe('processing');
    await commitTo(chunk, 1, 2);
    await untilState(job, 'playable');
    expect(await growthRow(job.prefix)).toMatchObject({ kind: 'early', shown: 3, closed_at: null });
  });

  it.each([
    ['faster', 5, 'playable'],
    ['slower', 30, 'processing'],
  ])('is told by its speed: %s than real time', async (_title, agoSeconds, state) => {
    const job = await growingJob(10);
    await finishTask(await claimTask('chunk:0'), 1);
    const chunk = await claimTask('chunk:1');
    await startedAgo(job, agoSeconds);
    await commitTo(chunk, 0, 2);
    // Whatever the commits have found is found again here.
    await growWaitingJobs({ db: env.DB, config: configOf(env), log });
    expect(await stateOf(job)).toBe(state);
    expect((await growthRow(job.prefix)) === null).toBe(state === 'processing');
  });

  it('waits for its sound', async () => {
    const job = await growingJob(10, { hasAudio: true });
    const sound = await claimTask('audio:0');
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await commitTo(sound, 0, 3);
    await growWaitingJobs({ db: env.DB, config: configOf(env), log });
    expect(await stateOf(job)).toBe('processing');
    await commitTo(sound, 3, 4);
    await untilState(job, 'playable');
  });

  it('says how long and how large it is, which its plan knows, alone and in the list', async () => {
    const job = await growingJob(10);
    const shown = async () => {
      const video = await (await call(job.ownerId, 'GET', `/v1/videos/${job.videoId}`)).json<Video>();
      const { videos } = await (await call(job.ownerId, 'GET', '/v1/videos')).json<VideoList>();
      return [video, ...videos].map(({ durationSeconds, width, height }) => [durationSeconds, width, height]);
    };
    expect(await shown()).toEqual(Array(2).fill([undefined, undefined, undefined]));
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await untilState(job, 'playable');
    expect(await shown()).toEqual(Array(2).fill([60, 1280, 720]));
  });

  it('is announced once, to whoever watches then and to whoever comes later', async () => {
    const job = await growingJob(10);
    const early = await watch(job);
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await seen(early, { type: 'playable', state: 'running' });
    const chunk = await claimTask('chunk:2');
    await commitTo(chunk, 0, 2);
    const late = await watch(job);
    await seen(late, { type: 'playable' });
    await told('fail', chunk.jobToken, { kind: 'media', code: 'media_malformed', detail: 'Broken.' });
    await seen(early, { type: 'failed' });
    for (const watcher of [early, late])
      expect(watcher.events.filter(({ type }) => type === 'playable')).toHaveLength(1);
  });

  it('stays ready while it is transcoded again, whatever becomes of that', async () => {
    const job = await growingJob(1);
    await finishTask(await mustClaim(), 1);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    expect(await stateOf(job)).toBe('ready');
    const again = await growingJob(10, { of: job });
    await finishTask(await claimTask('chunk:0'), 1);
    const chunk = await claimTask('chunk:1');
    await commitTo(chunk, 0, 2);
    await growWaitingJobs({ db: env.DB, config: configOf(env), log });
    expect(await growthRow(again.prefix)).toBeNull();
    expect(await stateOf(job)).toBe('ready');
    await told('fail', chunk.jobToken, { kind: 'media', code: 'media_malformed', detail: 'Broken.' });
    expect(await stateOf(job)).toBe('ready');
    expect(await play(job)).toMatchObject({ status: 200, hls: expect.stringContaining(job.jobId) });
  });
});

describe('a copy of the source', () => {
  it('is played before the ladder, and both before they are finished', async () => {
    const job = await growingJob(10, { instantSegments: 9 });
    const copy = await claimTask('instant');
    await commitTo(copy, 0, 2);
    expect(await stateOf(job)).toBe('processing');
    await commitTo(copy, 2, 3);
    await untilState(job, 'playable');
    expect(await play(job)).toMatchObject({ hls: expect.stringContaining(job.copyPrefix) });
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await vi.waitFor(async () => expect(await growthRow(job.prefix)).not.toBeNull(), { timeout: 20_000 });
    expect(await play(job)).toMatchObject({ hls: expect.stringContaining(job.copyPrefix) });
  });

  it('above what a viewer may see is not for them: the ladder is, once there is one', async () => {
    const job = await growingJob(10, { instantSegments: 9 });
    await commitTo(await claimTask('instant'), 0, 3);
    await untilState(job, 'playable');
    expect(await play(job, { maxHeight: 360 })).toMatchObject({
      hls: expect.stringContaining(job.copyPrefix),
    });
    expect(await play(job, { maxHeight: 240 })).toMatchObject({ status: 409, code: 'video_not_playable' });
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await vi.waitFor(async () => expect(await growthRow(job.prefix)).not.toBeNull(), { timeout: 20_000 });
    expect(await play(job, { maxHeight: 240 })).toMatchObject({ hls: expect.stringContaining(job.prefix) });
  });

  it('that cannot be finished is closed, and the video waits for its ladder', async () => {
    const job = await growingJob(10, { instantSegments: 9 });
    const copy = await claimTask('instant');
    const watcher = await watch(job);
    await commitTo(copy, 0, 3);
    await untilState(job, 'playable');
    await seen(watcher, { type: 'playable' });
    await told('fail', copy.jobToken, { kind: 'media', code: 'encode_failed', detail: 'Not to be copied.' });
    await untilState(job, 'processing');
    expect((await growthRow(job.copyPrefix))?.closed_at).not.toBeNull();
    const late = await watch(job);
    await seen(late, { type: 'snapshot' });
    await finishTask(await claimTask('chunk:0'), 1);
    await finishTask(await claimTask('chunk:1'), 2);
    await untilState(job, 'playable');
    expect(await play(job)).toMatchObject({ hls: expect.stringContaining(job.prefix) });
    // For those who have heard it and for those who came when it was not so.
    await seen(late, { type: 'playable' });
    expect(late.events.filter(({ type }) => type === 'playable')).toHaveLength(1);
    expect(watcher.events.filter(({ type }) => type === 'playable')).toHaveLength(2);
  });

  it('that its transcoder let go of for good is closed by the cron, which hears of it alone', async () => {
    const job = await growingJob(10, { instantSegments: 9 });
    const copy = await claimTask('instant');
    await commitTo(copy, 0, 3);
    await untilState(job, 'playable');
    await env.DB.prepare(
      `UPDATE tasks SET stalls = 4, mark_at_claim = mark WHERE job_id = ? AND name = 'instant'`,
    )
      .bind(job.jobId)
      .run();
    await lapse(copy);
    await sweep(env, log);
    expect((await growthRow(job.copyPrefix))?.closed_at).not.toBeNull();
    expect(await stateOf(job)).toBe('processing');
  });

  it.each([
    ['the encoder is at fault', 'encode_failed', 'playable'],
    ['the file itself is at fault', 'media_truncated', 'failed'],
  ])('that is whole outlives its job where %s: %s', async (_title, code, state) => {
    const job = await growingJob(10, { instantSegments: 3 });
    await finishTask(await claimTask('instant'), 3);
    await vi.waitFor(
      async () => expect((await growthRow(job.copyPrefix))?.completed_at ?? null).not.toBeNull(),
      { timeout: 20_000 },
    );
    const chunk = await claimTask('chunk:0');
    await told('fail', chunk.jobToken, { kind: 'media', code, detail: 'It broke.' });
    expect(await stateOf(job)).toBe(state);
    expect(await play(job)).toMatchObject({ status: state === 'playable' ? 200 : 409 });
  });

  it('that is not whole does not', async () => {
    const job = await growingJob(10, { instantSegments: 4 });
    await commitTo(await claimTask('instant'), 0, 3);
    await untilState(job, 'playable');
    const chunk = await claimTask('chunk:0');
    await told('fail', chunk.jobToken, { kind: 'media', code: 'encode_failed', detail: 'It broke.' });
    expect(await stateOf(job)).toBe('failed');
    const answer = await play(job);
    expect(answer).toMatchObject({ status: 409, code: 'video_not_playable' });
    expect(answer.detail).toContain('It broke.');
  });
});

it('a job that cannot be looked at does not keep the cron from the others', async () => {
  const job = await growingJob(10);
  await finishTask(await claimTask('chunk:0'), 1);
  await finishTask(await claimTask('chunk:1'), 2);
  await untilState(job, 'playable');
  // As if both looks had been lost; the newer job is looked at first.
  await env.DB.prepare('DELETE FROM growths WHERE job_id = ?').bind(job.jobId).run();
  const broken = await newJob();
  await env.DB.prepare(
    `UPDATE jobs SET state = 'running', plan = '{}', created_at = unixepoch() + 9 WHERE id = ?`,
  )
    .bind(broken.jobId)
    .run();
  expect(await growWaitingJobs({ db: env.DB, config: configOf(env), log })).toContain(job.jobId);
  await env.DB.prepare(`UPDATE jobs SET state = 'failed' WHERE id = ?`).bind(broken.jobId).run();
});

it('the reserve of a list is measured by the lease', async () => {
  const job = await growingJob(200);
  await finishTask(await claimTask('chunk:0'), 1);
  await finishTask(await claimTask('chunk:1'), 2);
  await finishTask(await claimTask('chunk:2'), 4);
  await untilState(job, 'playable');
  for (const chunk of [3, 4, 5, 6]) await finishTask(await claimTask(`chunk:${chunk}`), 8);
  const { LEASE_SECONDS } = configOf(env);
  const reserve = Math.ceil((LEASE_SECONDS + 30) / 4.8);
  await vi.waitFor(async () => expect((await growthRow(job.prefix))?.shown).toBe(39 - reserve), {
    timeout: 20_000,
  });
});
