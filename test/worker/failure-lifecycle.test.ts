// Cancelling, retrying, transcoding again and deleting in any order, while transcoders work and zombies go on
// writing. Whatever the order: one open job a video, the pointer moves forward, and deleted stays deleted.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import { randomOf } from '../support/random.ts';
import {
  call,
  claim,
  clearTasks,
  env,
  internal,
  jobRow,
  lapse,
  log,
  newJob,
  PRESENTATION,
  planOf,
  type TestJob,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** What each act may be answered with, beside success. */
const REFUSALS: Record<string, string[]> = {
  cancel: ['job_finished', 'not_found'],
  retry: ['job_not_finished', 'job_finished', 'video_busy', 'not_found'],
  transcode: ['video_busy', 'not_found'],
  delete: ['not_found'],
};

class World {
  readonly job: TestJob;
  readonly random: () => number;
  /** Claims that somebody believes to hold, zombies' among them. */
  readonly held: Claim[] = [];
  readonly written = new Set<string>();
  jobIds: string[];
  isDeleted = false;
  refusedZombies = 0;
  lastSeq = 0;

  constructor(job: TestJob, random: () => number) {
    this.job = job;
    this.random = random;
    this.jobIds = [job.jobId];
  }

  async act(name: keyof typeof REFUSALS): Promise<void> {
    const { videoId, ownerId } = this.job;
    const jobId = this.jobIds[Math.floor(this.random() * this.jobIds.length)]!;
    const paths: Record<string, [string, string]> = {
      cancel: ['POST', `/v1/jobs/${jobId}/cancel`],
      retry: ['POST', `/v1/jobs/${jobId}/retry`],
      transcode: ['POST', `/v1/videos/${videoId}/transcode`],
      delete: ['DELETE', `/v1/videos/${videoId}`],
    };
    const [method, path] = paths[name]!;
    const answer = await call(ownerId, method, path);
    const body = answer.status === 204 ? {} : await answer.json<{ code?: string; jobId?: string }>();
    if (!answer.ok) {
      expect(REFUSALS[name]).toContain(body.code);
    } else {
      // What is cancelled already stays so, and says so until its row is gone.
      if (name !== 'cancel') expect(this.isDeleted, `${name} after the deletion`).toBe(false);
      if (body.jobId && !this.jobIds.includes(body.jobId)) this.jobIds.push(body.jobId);
    }
    if (name === 'delete') this.isDeleted = true;
  }

  /** One step of whoever holds something: an object first, then the ledger's word on it. */
  async work(): Promise<void> {
    const at = this.held[Math.floor(this.random() * this.held.length)];
    if (!at) {
      const claimed = await claim(`w${Math.floor(this.random() * 3)}`);
      if (!claimed) return;
      expect(this.isDeleted, 'a task of a deleted video was handed out').toBe(false);
      this.held.push(claimed);
      return;
    }
    const { task, job } = at;
    const key = `${job.outputPrefix}${task.name.replace(':', '_')}_${task.epoch}.m4s`;
    await env.MEDIA.put(key, 'bytes');
    this.written.add(key);
    const isOk = async (path: string, body: object) => {
      const answer = await internal(path, at.jobToken, body);
      const { code } = await answer.json<{ code?: string }>();
      if (!answer.ok) {
        expect(['lease_lost', 'commit_out_of_order', 'not_found', 'job_finished']).toContain(code);
        this.refusedZombies += 1;
      }
      return answer.ok;
    };
    this.held.splice(this.held.indexOf(at), 1);
    if (task.kind === 'plan') await isOk('plan', { summary: planOf([1], 0) });
    else if (task.kind === 'finish') await isOk('publish', { presentation: PRESENTATION });
    else if (await isOk('commit', { mark: 1 })) await isOk('done', { mark: 1 });
  }

  async check(): Promise<void> {
    const open = await env.DB.prepare(
      `SELECT count(*) AS n FROM jobs WHERE video_id = ? AND state IN ('queued', 'running')`,
    )
      .bind(this.job.videoId)
      .first<{ n: number }>();
    expect(open!.n).toBeLessThanOrEqual(this.isDeleted ? 0 : 1);
    const { published_seq = 0, state } = await videoRow(this.job);
    if (this.isDeleted) expect([undefined, 'deleting']).toContain(state);
    else expect(Number(published_seq)).toBeGreaterThanOrEqual(this.lastSeq);
    this.lastSeq = Number(published_seq);
  }
}

async function worldOf(seed: number): Promise<World> {
  const job = await newJob();
  await env.DB.prepare(`UPDATE videos SET source_etag = 'etag', source_bytes = 1000 WHERE id = ?`)
    .bind(job.videoId)
    .run();
  return new World(job, randomOf(seed));
}

describe('any order of cancelling, retrying, transcoding again and deleting', () => {
  test.each([1, 4])(
    'of seed %i leaves one open job at most, and nothing of what was deleted',
    async (seed) => {
      const world = await worldOf(seed);
      const deletedAt = 45 + Math.floor(world.random() * 20);
      for (let step = 0; step < 80; step += 1) {
        const dice = world.random();
        if (step === deletedAt) await world.act('delete');
        else if (dice < 0.1) await world.act('cancel');
        else if (dice < 0.2) await world.act('retry');
        else if (dice < 0.3) await world.act('transcode');
        else if (dice < 0.35 && world.held[0]) await lapse(world.held[0]);
        else if (dice < 0.45 && !world.isDeleted) {
          const second = await claim('thief');
          if (second) world.held.push(second);
        } else await world.work();
        if (step % 5 === 0) await world.check();
      }
      expect(world.jobIds.length, 'jobs of the video').toBeGreaterThan(1);
      await goneForGood(world);
    },
  );
});

/** After the lease of the last writer and the second look there is nothing: no rows, no objects, no keys. */
async function goneForGood(world: World): Promise<void> {
  const { job, jobIds, written } = world;
  for (const late of world.held) {
    const key = `${late.job.outputPrefix}late.m4s`;
    await env.MEDIA.put(key, 'late');
    written.add(key);
  }
  await env.DB.prepare('UPDATE jobs SET finished_at = unixepoch() - 3600 WHERE video_id = ?')
    .bind(job.videoId)
    .run();
  await purgeDeleted(env, log);
  expect(await videoRow(job)).toEqual({});
  for (const jobId of jobIds) expect(await jobRow({ ...job, jobId })).toEqual({});
  // A zombie wakes once more.
  const [last] = written;
  if (last) await env.MEDIA.put(last, 'by a zombie');
  await env.DB.prepare('UPDATE purged_prefixes SET due_at = 0 WHERE instr(prefix, ?) > 0')
    .bind(job.videoId)
    .run();
  await purgeDeleted(env, log);
  for (const key of written) expect(await env.MEDIA.head(key), key).toBeNull();
  const tables = { tasks: 'job_id', content_keys: 'job_id', growths: 'video_id', uploads: 'video_id' };
  for (const [table, column] of Object.entries(tables)) {
    const ids = JSON.stringify([job.videoId, ...jobIds]);
    const sql = `SELECT count(*) AS n FROM ${table} WHERE ${column} IN (SELECT value FROM json_each(?))`;
    expect(await env.DB.prepare(sql).bind(ids).first(), table).toEqual({ n: 0 });
  }
}
