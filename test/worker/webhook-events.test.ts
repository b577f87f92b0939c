// Which changes become events, written in the batch of the change itself.
import { beforeEach, describe, expect, it } from 'vitest';
import { fanOut } from '../../worker/webhooks/fan-out.ts';
import { type Client, clientOf } from './api-client.ts';
import { claimTask, commitTo, growingJob } from './growing-fixtures.ts';
import { handOver } from './hand-over.ts';
import {
  addJob,
  call,
  clearTasks,
  env,
  finishTask,
  mustClaim,
  newJob,
  runJob,
  told,
} from './ledger-fixtures.ts';
import { sizeFor, videoBytes } from './upload-steps.ts';
import { createWebhook, deliveriesOf } from './webhook-steps.ts';

beforeEach(clearTasks);

async function listener(
  ownerId?: string,
): Promise<{ client: Client; ownerId: string; events: () => Promise<Told[]> }> {
  const client = await clientOf('admin', ownerId);
  const { id } = await createWebhook(client);
  const events = async () => {
    await fanOut(env.DB);
    const deliveries = await deliveriesOf(client, id);
    return deliveries.map(({ type, eventId, payload }) => ({
      type,
      eventId,
      data: (payload as { data: Record<string, unknown> }).data,
    }));
  };
  return { client, ownerId: client.ownerId, events };
}

type Told = { type: string; eventId: string; data: Record<string, unknown> };
const typesOf = async (events: () => Promise<Told[]>) => (await events()).map(({ type }) => type).sort();
/** A short job may be playable for a moment before it is ready, or not: that is another test's. */
const isNotOfGrowth = ({ type }: Told) => type !== 'video.playable';
const MEDIA_FAILURE = { kind: 'media', code: 'media_malformed', detail: 'The file is damaged.' };

describe('an event tells of', () => {
  it('a video that is ready, once for each generation that is published', async () => {
    const { ownerId, events } = await listener();
    const job = await newJob({ ownerId, contentId: `content-${crypto.randomUUID()}` });
    await runJob(job);
    const [ready, ...more] = (await events()).filter(isNotOfGrowth);
    expect(more).toEqual([]);
    expect(ready).toMatchObject({
      type: 'video.ready',
      eventId: `evt_video_ready_${job.jobId}`,
      data: { videoId: job.videoId, jobId: job.jobId, kind: 'movie', title: 'A film' },
    });
    await clearTasks();
    await runJob(await addJob(job.videoId, ownerId));
    expect((await typesOf(events)).filter((type) => type === 'video.ready')).toHaveLength(2);
  });

  it('nothing where the older of two jobs ends later', async () => {
    const { ownerId, events } = await listener();
    const job = await newJob({ ownerId });
    await env.DB.prepare(`UPDATE videos SET published_seq = 9, state = 'ready' WHERE id = ?`)
      .bind(job.videoId)
      .run();
    await runJob(job);
    expect((await events()).filter(isNotOfGrowth)).toEqual([]);
  });

  it('a file that fails: its job and its video', async () => {
    const { ownerId, events } = await listener();
    const job = await newJob({ ownerId });
    await told('fail', (await mustClaim()).jobToken, MEDIA_FAILURE);
    expect(await typesOf(events)).toEqual(['job.failed', 'video.failed']);
    expect((await events())[0]!.data).toMatchObject({
      jobId: job.jobId,
      error: { code: 'media_malformed', detail: 'The file is damaged.' },
    });
  });

  it('a job alone where the video plays on', async () => {
    const { ownerId, events } = await listener();
    const job = await newJob({ ownerId });
    await runJob(job);
    await addJob(job.videoId, ownerId);
    await told('fail', (await mustClaim()).jobToken, MEDIA_FAILURE);
    expect(
      (await events())
        .filter(isNotOfGrowth)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['job.failed', 'video.ready']);
  });

  it('a cancelled job, once, however often it is cancelled', async () => {
    const { ownerId, events } = await listener();
    const job = await newJob({ ownerId });
    for (let time = 0; time < 2; time++) {
      expect((await call(ownerId, 'POST', `/v1/jobs/${job.jobId}/cancel`)).status).toBe(200);
      expect(await typesOf(events)).toEqual(['job.cancelled', 'video.failed']);
    }
  });

  it('a video that is playable before it is ready', async () => {
    const job = await growingJob(10);
    const { events } = await listener(job.ownerId);
    await finishTask(await claimTask('chunk:0'), 1);
    await commitTo(await claimTask('chunk:1'), 0, 2);
    await expect.poll(() => typesOf(events), { timeout: 20_000 }).toEqual(['video.playable']);
  });

  it('a deleted video, whose rows may be gone by then', async () => {
    const { client, ownerId, events } = await listener();
    const { videoId } = await newJob({ ownerId });
    await client.json(204, 'DELETE', `/v1/videos/${videoId}`);
    await env.DB.batch(
      ['tasks', 'jobs', 'videos'].map((table) => {
        const of = {
          tasks: 'job_id IN (SELECT id FROM jobs WHERE video_id = ?)',
          jobs: 'video_id = ?',
          videos: 'id = ?',
        };
        return env.DB.prepare(`DELETE FROM ${table} WHERE ${of[table as keyof typeof of]}`).bind(videoId);
      }),
    );
    expect(await events()).toMatchObject([
      { type: 'video.deleted', eventId: `evt_video_deleted_${videoId}`, data: { videoId, title: 'A film' } },
    ]);
  });

  it.each(['single', 'multipart', 'tus', 'import'] as const)(
    'an upload that is complete (%s)',
    async (method) => {
      const bytes = videoBytes(method === 'import' ? 100_000 : sizeFor(method));
      const upload = await handOver(method, bytes);
      const { events } = await listener(upload.client.ownerId);
      await upload.send();
      const { jobId } = await upload.end();
      await upload.end();
      const completed = (await events()).filter(({ type }) => type === 'upload.completed');
      expect(completed).toHaveLength(1);
      expect(completed[0]!.data).toMatchObject({ videoId: upload.videoId, jobId, sizeBytes: bytes.length });
    },
  );

  it('a file that is refused as it comes in', async () => {
    const upload = await handOver('single', new Uint8Array(1000));
    const { events } = await listener(upload.client.ownerId);
    await upload.send().catch(() => undefined);
    await upload.end().catch(() => undefined);
    expect(await typesOf(events)).toEqual(['video.failed']);
  });
});

it('an owner without a webhook leaves no rows', async () => {
  const job = await newJob();
  await runJob(job);
  // Those of other tests may still come.
  const sql = `SELECT count(*) AS n FROM outbox WHERE topic = 'event' AND body ->> '$.ownerId' = ?`;
  const row = await env.DB.prepare(sql).bind(job.ownerId).first();
  expect(row).toEqual({ n: 0 });
});
