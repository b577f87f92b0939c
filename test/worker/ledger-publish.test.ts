import { beforeEach, describe, expect, test } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import {
  addJob,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  lapse,
  latestJob,
  mustClaim,
  newJob,
  PRESENTATION,
  planned,
  refusalOf,
  runJob,
  type TestJob,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** A job whose finish task is claimed. */
async function finishing(job: TestJob): Promise<Claim> {
  await planned(job, [1]);
  await finishTask(await mustClaim(), 1);
  const held = await mustClaim();
  expect(held.task).toMatchObject({ jobId: job.jobId, kind: 'finish' });
  return held;
}

const publish = (held: Claim) => told('publish', held.jobToken, { presentation: PRESENTATION });

async function holderOf(contentId: string): Promise<unknown> {
  const sql = `SELECT video_id FROM contents WHERE kind = 'movie' AND content_id = ?`;
  return env.DB.prepare(sql).bind(contentId).first('video_id');
}

describe('publishing', () => {
  test('ends the job and points the video at its generation', async () => {
    const job = await newJob();
    await publish(await finishing(job));
    expect(await jobRow(job)).toMatchObject({ state: 'succeeded', finished_at: expect.any(Number) });
    expect(await videoRow(job)).toMatchObject({
      state: 'ready',
      published_job: job.jobId,
      published_seq: 1,
      output_prefix: `hls/movies/${job.videoId}/${job.jobId}/`,
      ready_at: expect.any(Number),
    });
    expect(JSON.parse(String((await videoRow(job)).presentation))).toEqual(PRESENTATION);
    expect(await latestJob(job)).toMatchObject({ state: 'succeeded', tasks_done: 3, tasks_total: 3 });
  });

  test('twice answers the same and changes nothing more', async () => {
    const job = await newJob();
    const held = await finishing(job);
    await publish(held);
    const before = [await jobRow(job), await videoRow(job)];
    await publish(held);
    expect([await jobRow(job), await videoRow(job)]).toEqual(before);
  });

  test('is refused to an attempt that was overtaken and granted to its successor', async () => {
    const job = await newJob();
    const held = await finishing(job);
    await lapse(held);
    const successor = await mustClaim('worker-b');
    const report = { presentation: PRESENTATION };
    expect(await refusalOf(internal('publish', held.jobToken, report))).toBe('lease_lost');
    expect(await videoRow(job)).toMatchObject({ published_job: null, ready_at: null });
    await publish(successor);
    expect(await videoRow(job)).toMatchObject({ state: 'ready' });
  });

  test('of an older job after a newer one does not take the video back', async () => {
    const older = await newJob();
    const lateClaim = await finishing(older);
    const newer = await addJob(older.videoId, older.ownerId);
    await runJob(newer);
    await publish(lateClaim);
    expect(await jobRow(older)).toMatchObject({ state: 'succeeded' });
    expect(await videoRow(older)).toMatchObject({ published_job: newer.jobId, published_seq: 2 });
  });

  test('does not revive a video that is being deleted', async () => {
    const job = await newJob();
    const held = await finishing(job);
    await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(job.videoId).run();
    await publish(held);
    expect(await videoRow(job)).toMatchObject({ state: 'deleting', published_job: null });
  });
});

describe('a content id', () => {
  test('moves to the newest video of its owner, and not back', async () => {
    const contentId = `title-${crypto.randomUUID().slice(0, 8)}`;
    const first = await newJob({ contentId });
    await env.DB.prepare('UPDATE videos SET created_at = created_at - 100 WHERE id = ?')
      .bind(first.videoId)
      .run();
    await runJob(first);
    expect(await holderOf(contentId)).toBe(first.videoId);

    const second = await newJob({ contentId, ownerId: first.ownerId });
    expect(await holderOf(contentId)).toBe(first.videoId);
    await runJob(second);
    expect(await holderOf(contentId)).toBe(second.videoId);

    await runJob(await addJob(first.videoId, first.ownerId));
    expect(await holderOf(contentId)).toBe(second.videoId);
  });

  test('stays with the owner who holds it', async () => {
    const contentId = `title-${crypto.randomUUID().slice(0, 8)}`;
    const holder = await newJob({ contentId });
    await runJob(holder);
    await runJob(await newJob({ contentId }));
    expect(await holderOf(contentId)).toBe(holder.videoId);
  });
});
