// What of a protected video may be watched while it is made: its HLS under AES-128, nothing under Common Encryption.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parseKeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import { planKey } from '../../shared/object-keys.ts';
import { configOf } from '../../worker/env.ts';
import { growWaitingJobs } from '../../worker/jobs/growth.ts';
import { issueKeys, keyRows, type Scheme } from '../../worker/keys/store.ts';
import { purgeVideo } from '../../worker/videos/delete.ts';
import { claimTask, growingJob, growthRow, list, play, textOf } from './growing-fixtures.ts';
import { clearTasks, env, finishTask, log, type TestJob, videoRow } from './ledger-fixtures.ts';

const KEKS = parseKeyEncryptionKeys(env.KEYS_KEK as string);

beforeEach(clearTasks);

async function protectedJob(scheme: Scheme | 'none') {
  const job = await growingJob(10);
  await env.DB.prepare(`UPDATE jobs SET options = json_set(options, '$.protection', ?) WHERE id = ?`)
    .bind(scheme, job.jobId)
    .run();
  if (scheme === 'none') return job;
  const [first] = await issueKeys(env.DB, KEKS, { jobId: job.jobId, scheme }, [0, 1]);
  const protection = scheme === 'cenc' ? { scheme, keyId: first!.keyId } : { scheme, keyRotationSegments: 2 };
  await env.MEDIA.put(planKey(job.jobId), JSON.stringify({ ...job.plan, protection }));
  return job;
}

async function makeSegments(): Promise<void> {
  await finishTask(await claimTask('chunk:0'), 1);
  await finishTask(await claimTask('chunk:1'), 2);
  await growWaitingJobs({ db: env.DB, config: configOf(env), log });
}

const stateOf = async (job: TestJob) => (await videoRow(job)).state;

describe('while it is made, a video', () => {
  it('under AES-128 is watched by lists that name its keys', async () => {
    const job = await protectedJob('aes-128');
    await makeSegments();
    await vi.waitFor(async () => expect(await stateOf(job)).toBe('playable'), { timeout: 20_000 });
    const answer = await play(job);
    expect(answer).toMatchObject({ status: 200 });
    expect(answer).not.toHaveProperty('dash');
    const text = await textOf(await list(answer.hls, 'stream_360p.m3u8'));
    const named = text.split('\n').filter((line) => /^#EXT-X-KEY|\.m4s$/.test(line));
    expect(named).toEqual([
      '#EXT-X-KEY:METHOD=AES-128,URI="key/0"',
      ...['stream_360p_000.m4s', 'stream_360p_001.m4s'],
      '#EXT-X-KEY:METHOD=AES-128,URI="key/1"',
      'stream_360p_002.m4s',
    ]);
    const key = await list(answer.hls, 'key/1');
    expect([key.status, (await key.arrayBuffer()).byteLength]).toEqual([200, 16]);
  });

  it.each([
    ['cenc', 'processing'],
    ['none', 'playable'],
  ] as const)('under %s is %s', async (scheme, state) => {
    const job = await protectedJob(scheme);
    await makeSegments();
    expect(await stateOf(job)).toBe(state);
    expect((await growthRow(job.prefix)) === null).toBe(state === 'processing');
  });
});

it('the keys of a deleted video go with its rows, those of another stay', async () => {
  const [job, other] = [await protectedJob('cenc'), await protectedJob('cenc')];
  await env.DB.batch([
    env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(job.videoId),
    env.DB.prepare('UPDATE jobs SET started_at = NULL WHERE id = ?').bind(job.jobId),
  ]);
  await purgeVideo(env, job.videoId, log);
  expect(await keyRows(env.DB, job.jobId, { numbers: [0, 1] })).toEqual([]);
  expect(await keyRows(env.DB, other.jobId, { numbers: [0, 1] })).toHaveLength(2);
});
