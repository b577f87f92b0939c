// Claiming, listing and sweeping with a library and a backlog of STEADY_ROWS: `npm run bench -- steady` runs this
// with up to 100,000. Here it is enough that each finds what it should; how long they take is told, not judged.
import { env as testEnv } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../shared/log.ts';
import type { Env } from '../../worker/env.ts';
import { configOf } from '../../worker/env.ts';
import { claimTask } from '../../worker/jobs/claim.ts';
import { latestJobsOf } from '../../worker/jobs/store.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import { listVideos } from '../../worker/videos/store.ts';

const env = testEnv as unknown as Env;
const log = createLog();
const ROWS = Number(env.STEADY_ROWS);
const RUNS = 5;
/** The clock of workerd tells whole milliseconds. */
const CALLS_PER_RUN = 10;
const OWNERS = 7;

/** Half of the videos have been ready for long, the others wait for their first task. */
async function fill(rows: number): Promise<void> {
  const numbers = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows - 1})`;
  const isReady = 'i % 2 = 0';
  const age = `unixepoch() - 864000 + i * 800000 / ${rows}`;
  await env.DB.batch(
    [
      `INSERT INTO videos (id, owner_id, title, kind, visibility, protection, state, source_key, published_job,
         output_prefix, created_at)
       ${numbers} SELECT 'v' || i, 'o' || (i % ${OWNERS}), 'Film ' || i, 'movie', 'private', 'none',
         iif(${isReady}, 'ready', 'processing'), 'sources/v' || i || '/u', iif(${isReady}, 'j' || i, NULL),
         iif(${isReady}, 'hls/movies/v' || i || '/j' || i || '/', NULL), ${age} FROM n`,
      `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes,
         output_prefix, created_at, finished_at)
       ${numbers} SELECT 'j' || i, 'v' || i, 'o' || (i % ${OWNERS}), 'transcode', iif(${isReady}, 'succeeded', 'queued'), 1,
         '{"segmentSeconds":6,"preset":"veryfast"}', 'sources/v' || i || '/u', 'etag', 1000,
         'hls/movies/v' || i || '/j' || i || '/', ${age}, iif(${isReady}, unixepoch() - 100, NULL) FROM n`,
      `INSERT INTO tasks (job_id, name, kind, idx, state, not_before)
       ${numbers} SELECT 'j' || i, 'plan', 'plan', 0, iif(${isReady}, 'done', 'ready'), ${age} FROM n`,
      `INSERT INTO sessions (id, video_id, owner_id, viewer_id, output_prefix, ttl_seconds, expires_at)
       ${numbers} SELECT 's' || i, 'v' || i, 'o' || (i % ${OWNERS}), 'viewer', 'hls/movies/v' || i || '/j' || i || '/',
         60, unixepoch() + i - ${rows} FROM n`,
    ].map((sql) => env.DB.prepare(sql)),
  );
}

/** Milliseconds of one call. */
async function median(act: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const startedMs = performance.now();
    for (let call = 0; call < CALLS_PER_RUN; call += 1) await act();
    times.push((performance.now() - startedMs) / CALLS_PER_RUN);
  }
  return times.sort((a, b) => a - b)[RUNS >> 1]!;
}

beforeAll(() => fill(ROWS), 120_000);

describe(`with ${ROWS} videos`, () => {
  it('claims the oldest job, lists the newest videos and sweeps', async () => {
    const request = { workerId: 'steady', profile: 'p', encoders: ['libx264' as const] };
    const claimed: string[] = [];
    const claim = await median(async () => {
      const task = await claimTask(env.DB, request, configOf(env));
      claimed.push(String(task?.task.jobId));
    });
    expect(claimed.slice(0, OWNERS).sort()).toEqual(['j1', 'j11', 'j13', 'j3', 'j5', 'j7', 'j9']);
    const list = await median(async () => {
      const rows = await listVideos(env.DB, 'o1', { limit: 50 });
      expect(
        (
          await latestJobsOf(
            env.DB,
            rows.map(({ id }) => id),
          )
        ).size,
      ).toBe(50);
    });
    const sweeping = await median(() => sweep(env, log));
    console.log(`steady ${JSON.stringify({ rows: ROWS, claim, list, sweep: sweeping })}`);
  });
});
