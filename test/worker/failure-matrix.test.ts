// Rows of docs/reliability.md that no other file holds: writes of unknown outcome, a ledger that is away, rows that
// fail every time, writers that come too late.
import { createExecutionContext } from 'cloudflare:test';
import { beforeEach, describe, expect, test } from 'vitest';
import { createApp } from '../../worker/app.ts';
import { configOf, type Env } from '../../worker/env.ts';
import { endAttempt } from '../../worker/jobs/attempt.ts';
import { cancelJob } from '../../worker/jobs/cancel.ts';
import { growWaitingJobs } from '../../worker/jobs/growth.ts';
import type { HeldTask } from '../../worker/jobs/guard.ts';
import { commitSegment, completeTask, heartbeat } from '../../worker/jobs/ledger.ts';
import { reviseStaleManifests } from '../../worker/jobs/manifest-revision.ts';
import { publishJob } from '../../worker/jobs/publish.ts';
import { revokedSessions } from '../../worker/playback/store.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import {
  addJob,
  bearer,
  chunkAtWork,
  clearTasks,
  env,
  jobRow,
  log,
  mustClaim,
  newJob,
  ORIGIN,
  PRESENTATION,
  planned,
  planOf,
  type TestJob,
  taskRow,
  told,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

/** A database that does what it is asked and whose first answer is lost on the way. */
function losingAnswers(db: D1Database): { db: D1Database; losses(): number } {
  let losses = 0;
  const lose = async <T>(answer: Promise<T>): Promise<T> => {
    await answer;
    losses += 1;
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const statement = (inner: D1PreparedStatement): D1PreparedStatement =>
    ({
      bind: (...values: unknown[]) => statement(inner.bind(...values)),
      first: () => lose(inner.first()),
      all: () => lose(inner.all()),
      run: () => lose(inner.run()),
      inner,
    }) as unknown as D1PreparedStatement;
  const lossy = {
    prepare: (sql: string) => statement(db.prepare(sql)),
    batch: (statements: (D1PreparedStatement & { inner: D1PreparedStatement })[]) =>
      lose(db.batch(statements.map(({ inner }) => inner))),
  } as unknown as D1Database;
  return { db: lossy, losses: () => losses };
}

async function finishAtWork(): Promise<{ job: TestJob; held: HeldTask }> {
  const job = await newJob();
  await planned(job, [1]);
  const chunk = await mustClaim();
  await told('commit', chunk.jobToken, { mark: 1 });
  await told('done', chunk.jobToken, { mark: 1 });
  const { task } = await mustClaim();
  return { job, held: { jobId: job.jobId, task: task.name, epoch: task.epoch } };
}

async function chunkHeld(): Promise<{ job: TestJob; held: HeldTask }> {
  const { job, held } = await chunkAtWork();
  const { task } = held;
  return { job, held: { jobId: job.jobId, task: task.name, epoch: task.epoch } };
}

describe('a write whose outcome nobody heard', () => {
  type Call = (db: D1Database, held: HeldTask) => Promise<unknown>;
  const calls: [string, () => Promise<{ job: TestJob; held: HeldTask }>, Call, Record<string, unknown>][] = [
    ['a heartbeat', chunkHeld, (db, held) => heartbeat(db, held, 6), { epoch: 1, mark: 0 }],
    ['a commit', chunkHeld, (db, held) => commitSegment(db, held, 1, 6), { mark: 1 }],
    [
      'the end of a task',
      async () => {
        const at = await chunkHeld();
        for (const mark of [1, 2, 3]) await commitSegment(env.DB, at.held, mark, 6);
        return at;
      },
      (db, held) => completeTask(db, held, 3),
      { state: 'done' },
    ],
    [
      'a failure',
      chunkHeld,
      (db, held) => endAttempt(db, held, { cause: 'retryable', code: 'encode_failed', detail: 'x' }),
      { state: 'ready', retries: 1 },
    ],
    ['a publication', finishAtWork, (db, held) => publishJob(db, held, PRESENTATION), { state: 'done' }],
    ['a cancellation', chunkHeld, (db, held) => cancelJob(db, held.jobId), { state: 'cancelled' }],
  ];

  test.each(calls)('%s, is repeated and is done once', async (_, begin, call, expected) => {
    const { job, held } = await begin();
    const lossy = losingAnswers(env.DB);
    await expect(call(lossy.db, held)).rejects.toThrow('Network connection lost');
    expect(lossy.losses()).toBe(1);
    const after = await taskRow(job.jobId, held.task);
    await call(env.DB, held);
    const again = await taskRow(job.jobId, held.task);
    expect(again).toMatchObject(expected);
    expect({ ...again, lease_until: 0 }).toEqual({ ...after, lease_until: 0 });
  });
});

test('while the database is overloaded a request is answered with 503, the time to come back, and the code', async () => {
  const job = await newJob();
  const fail = () =>
    Promise.reject(new Error('D1_ERROR: D1 DB is overloaded. Requests queued for too long.'));
  const broken = { prepare: () => ({ bind: () => ({ first: fail, all: fail, run: fail }) }), batch: fail };
  const ask = async (db: unknown) => {
    const headers = { Authorization: await bearer(job.ownerId) };
    const request = new Request(`${ORIGIN}/v1/videos/${job.videoId}`, { headers });
    return createApp().fetch(request, { ...env, DB: db } as Env, createExecutionContext());
  };
  const answer = await ask(broken);
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await answer.json()).toMatchObject({ code: 'database_unavailable' });
  const positive = await ask(env.DB);
  expect(positive.status).toBe(200);
  await positive.body?.cancel();
});

describe('rows that fail every time keep no others from the cron', () => {
  test('of jobs of which nothing can be announced', async () => {
    const broken = await Promise.all(Array.from({ length: 25 }, () => newJob()));
    const good = await newJob();
    const sql = `UPDATE jobs SET state = 'running', plan = ?, created_at = unixepoch() - ? WHERE id = ?`;
    await env.DB.batch([
      ...broken.map(({ jobId }) => env.DB.prepare(sql).bind('{}', 0, jobId)),
      env.DB.prepare(sql).bind(JSON.stringify(planOf([3])), 0, good.jobId),
    ]);
    const looked: string[] = [];
    const sources = { db: env.DB, config: configOf(env), log };
    for (let run = 0; run < 2; run += 1) {
      await growWaitingJobs(sources);
      const { results } = await env.DB.prepare('SELECT id FROM jobs WHERE look_at > 0').all<{ id: string }>();
      looked.push(...results.map(({ id }) => id));
    }
    expect(looked).toContain(good.jobId);
    await env.DB.prepare(`UPDATE jobs SET state = 'failed' WHERE plan IS NOT NULL`).run();
  });

  test('of manifests that cannot be revised', async () => {
    const videos = await Promise.all(Array.from({ length: 15 }, () => newJob()));
    await env.DB.batch(
      videos.map(({ videoId }) =>
        env.DB.prepare(`UPDATE videos SET output_prefix = ?, subtitles_version = 1 WHERE id = ?`).bind(
          `hls/movies/${videoId}/g/`,
          videoId,
        ),
      ),
    );
    await reviseStaleManifests(env, log);
    await reviseStaleManifests(env, log);
    const rows = await Promise.all(videos.map(videoRow));
    expect(rows.filter(({ swept_at }) => swept_at === 0)).toEqual([]);
    await env.DB.prepare('UPDATE videos SET subtitles_version = 0').run();
  });

  test('of videos whose objects storage does not let go', async () => {
    const stuck = await Promise.all(Array.from({ length: 25 }, () => newJob()));
    const free = await newJob();
    const all = [...stuck, free];
    await env.DB.batch(
      all.map(({ videoId }) =>
        env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(videoId),
      ),
    );
    const list = (options: R2ListOptions) =>
      stuck.some(({ videoId }) => options.prefix?.includes(videoId))
        ? Promise.reject(new Error('list: disk on fire'))
        : env.MEDIA.list(options);
    const MEDIA = { list, delete: (keys: string[]) => env.MEDIA.delete(keys) };
    for (let run = 0; run < 2; run += 1) await purgeDeleted({ ...env, MEDIA } as unknown as Env, log);
    expect(await videoRow(free)).toEqual({});
    expect(await videoRow(stuck[0]!)).toMatchObject({ state: 'deleting' });
    await purgeDeleted(env, log);
    await purgeDeleted(env, log);
    expect(await videoRow(stuck[0]!)).toEqual({});
  });
});

test('what is written after a video was deleted is deleted too, and nothing of other videos', async () => {
  const [gone, kept] = [await newJob(), await newJob()];
  const keyOf = ({ videoId, jobId }: TestJob) => `hls/movies/${videoId}/${jobId}/stream_240p_000.m4s`;
  await env.MEDIA.put(keyOf(kept), 'kept');
  await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(gone.videoId).run();
  await purgeDeleted(env, log);
  expect(await videoRow(gone)).toEqual({});

  await env.MEDIA.put(keyOf(gone), 'by one who slept');
  await purgeDeleted(env, log);
  expect(await env.MEDIA.head(keyOf(gone)), 'not due yet').not.toBeNull();
  // Those of other tests are not due.
  const due = env.DB.prepare('UPDATE purged_prefixes SET due_at = 0 WHERE instr(prefix, ?) > 0').bind(
    gone.videoId,
  );
  await due.run();
  await purgeDeleted(env, log);
  expect(await env.MEDIA.head(keyOf(gone))).toBeNull();
  expect(await env.MEDIA.head(keyOf(kept))).not.toBeNull();

  await due.run();
  await purgeDeleted(env, log);
  const left = env.DB.prepare('SELECT prefix FROM purged_prefixes WHERE instr(prefix, ?) > 0');
  expect(await left.bind(gone.videoId).first()).toBeNull();
});

test('the snapshot of revoked sessions holds those whose tokens may still live, and no older ones', async () => {
  const { videoId, ownerId } = await newJob();
  const add = (id: string, expiresIn: number) =>
    env.DB.prepare(
      `INSERT INTO sessions (id, video_id, owner_id, viewer_id, output_prefix, ttl_seconds, expires_at, revoked_at)
       VALUES (?, ?, ?, 'v', 'p', 60, unixepoch() + ?, unixepoch())`,
    )
      .bind(id, videoId, ownerId, expiresIn)
      .run();
  await add('alive', 60);
  await add('over', -1);
  const held = await revokedSessions(env.DB);
  expect(held).toContain('alive');
  expect(held).not.toContain('over');
});

test('a job begun while its video is deleted does not come back with it', async () => {
  const first = await newJob();
  await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(first.videoId).run();
  const late = await addJob(first.videoId, first.ownerId);
  await purgeDeleted(env, log);
  expect(await jobRow(late)).toEqual({});
  expect(await videoRow(first)).toEqual({});
});
