import { beforeEach, describe, expect, test } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import { heartbeat } from '../../worker/jobs/ledger.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import { randomOf } from '../support/random.ts';
import {
  claim,
  clearTasks,
  env,
  internal,
  jobRow,
  lapse,
  log,
  newJob,
  PRESENTATION,
  passBackoff,
  planOf,
  type TestJob,
  videoRow,
} from './ledger-fixtures.ts';

beforeEach(clearTasks);

const CHUNKS = [1, 2, 3];
const AUDIO_SEGMENTS = 2;

type Worker = { id: string; claim: Claim; mark: number };

/** A task's length, as its transcoder knows it from the plan. */
function segmentsOf({ kind, index }: Claim['task']): number {
  if (kind === 'chunk') return CHUNKS[index] ?? 0;
  return kind === 'audio' ? AUDIO_SEGMENTS : 0;
}

/**
 * A few jobs under a random schedule of work, pauses, deaths and zombies who go on as if nothing had happened.
 * What the ledger accepted is written down: afterwards each job must have been published once, by one attempt,
 * and each segment committed once.
 */
async function runSchedule(
  seed: number,
  jobCount: number,
): Promise<{ jobs: TestJob[]; accepted: string[]; refusals: number }> {
  const random = randomOf(seed);
  const jobs = await Promise.all(Array.from({ length: jobCount }, () => newJob()));
  const workers: Worker[] = [];
  const accepted: string[] = [];
  let refusals = 0;
  const isOpen = async () => {
    const rows = await Promise.all(jobs.map(jobRow));
    return rows.some((row) => row.state === 'queued' || row.state === 'running');
  };

  const accept = async (worker: Worker, path: string, body: object, entry: string): Promise<boolean> => {
    const response = await internal(path, worker.claim.jobToken, body);
    const { code } = await response.json<{ code?: string }>();
    if (response.ok) accepted.push(entry);
    else {
      refusals += 1;
      expect(['lease_lost', 'commit_out_of_order']).toContain(code);
    }
    return response.ok;
  };

  const work = async (worker: Worker): Promise<void> => {
    const { task } = worker.claim;
    const entry = `${task.jobId}/${task.name}`;
    const end = () => workers.splice(workers.indexOf(worker), 1);
    if (task.kind === 'plan') {
      await accept(worker, 'plan', { summary: planOf(CHUNKS) }, `${entry} planned`);
      end();
    } else if (task.kind === 'finish') {
      await accept(worker, 'publish', { presentation: PRESENTATION }, `${entry} published`);
      end();
    } else if (worker.mark < segmentsOf(task)) {
      worker.mark += 1;
      if (
        !(await accept(worker, 'commit', { mark: worker.mark }, `${entry} ${worker.mark}`)) &&
        random() < 0.5
      )
        end();
    } else {
      await accept(worker, 'done', { mark: worker.mark }, `${entry} done`);
      end();
    }
  };

  for (let step = 0; step < 600 && (workers.length > 0 || (await isOpen())); step++) {
    const dice = random();
    const worker = workers[Math.floor(random() * workers.length)];
    if (!worker || dice < 0.3) {
      const id = `worker-${seed}-${Math.floor(random() * 4)}`;
      const claimed = await claim(id);
      if (claimed) workers.push({ id, claim: claimed, mark: claimed.task.mark });
    } else if (dice < 0.36 && worker.mark > worker.claim.task.mark) {
      // Paused beyond its lease, after some work: the worker stays about as a zombie.
      await lapse(worker.claim);
    } else if (dice < 0.4) {
      await internal('release', worker.claim.jobToken).then((response) => response.body?.cancel());
    } else if (dice < 0.42) {
      await sweep(env, log);
    } else {
      await work(worker);
    }
    if (step % 20 === 19) await passBackoff();
  }
  return { jobs, accepted, refusals };
}

describe('any schedule', () => {
  test.each([1, 2, 3])('of seed %i publishes each job once and commits each segment once', async (seed) => {
    const { jobs, accepted, refusals } = await runSchedule(seed, 3);
    for (const job of jobs) {
      expect(await jobRow(job)).toMatchObject({ state: 'succeeded' });
      expect(await videoRow(job)).toMatchObject({ state: 'ready', published_job: job.jobId });
    }
    const expected = jobs.flatMap(({ jobId }) => [
      `${jobId}/plan planned`,
      ...CHUNKS.flatMap((segments, chunk) => [
        ...Array.from({ length: segments }, (_, index) => `${jobId}/chunk:${chunk} ${index + 1}`),
        `${jobId}/chunk:${chunk} done`,
      ]),
      ...Array.from({ length: AUDIO_SEGMENTS }, (_, index) => `${jobId}/audio:0 ${index + 1}`),
      `${jobId}/audio:0 done`,
      `${jobId}/finish published`,
    ]);
    expect(refusals, 'zombies that were refused').toBeGreaterThan(0);
    expect([...accepted].sort()).toEqual(expected.sort());
  });

  test('would be caught out if a stale epoch were believed', async () => {
    const job = await newJob();
    const first = await claim();
    await lapse(first as Claim);
    await claim('worker-b');
    const stale = { jobId: job.jobId, task: 'plan', epoch: 1 };
    await expect(heartbeat(env.DB, stale, 6)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await heartbeat(env.DB, { ...stale, epoch: 2 }, 6)).toEqual({ workerId: 'worker-b' });
  });
});
