// A file that holds only sound: whose choice it is, and the way of its job without a single chunk.
import { beforeEach, describe, expect, test } from 'vitest';
import { type Config, configOf } from '../../worker/env.ts';
import { planOptionsOf } from '../../worker/jobs/plan-options.ts';
import { clientOf } from './api-client.ts';
import {
  call,
  claim,
  clearTasks,
  env,
  finishTask,
  internal,
  jobRow,
  mustClaim,
  newJob,
  PRESENTATION,
  planOf,
  refusalOf,
  told,
} from './ledger-fixtures.ts';
import { complete, create, sendAll, videoBytes } from './upload-steps.ts';

beforeEach(clearTasks);

describe('whether sound alone is published', () => {
  const config = (variables: object): Config => configOf({ ...env, ...variables } as typeof env);

  test('is the deployment’s choice where the video has none, and refused by default', () => {
    expect(planOptionsOf(config({}), '{}').audioOnly).toBeUndefined();
    const publishing = config({ AUDIO_ONLY: 'publish' });
    expect(planOptionsOf(publishing, '{}').audioOnly).toBe(true);
    expect(planOptionsOf(publishing, '{"audioOnly":false}').audioOnly).toBe(false);
    expect(() => config({ AUDIO_ONLY: 'perhaps' })).toThrow('AUDIO_ONLY');
  });

  test.each([true, false, undefined])(
    'is told to the transcoder as the video says: %s',
    async (audioOnly) => {
      const client = await clientOf('uploader');
      const bytes = videoBytes(1000);
      const created = await create(client, bytes.length, { method: 'single', video: { audioOnly } });
      await sendAll(client, created, bytes);
      const { jobId } = await complete(client, created);
      const claimed = await mustClaim();
      expect(claimed.task).toMatchObject({ jobId, kind: 'plan' });
      expect(claimed.job.options.audioOnly).toBe(audioOnly);
    },
  );
});

describe('a job of sound alone', () => {
  const summary = { ...planOf([3], 1), chunks: [], width: 0, height: 0 };

  test('has its sound and its end to do, shows how far it is, and ends as a video without pictures', async () => {
    const job = await newJob();
    await told('plan', (await mustClaim()).jobToken, { summary });
    const sound = await mustClaim();
    expect(sound.task.name).toBe('audio:0');
    expect(await claim()).toBeUndefined();
    await told('commit', sound.jobToken, { mark: 1 });
    const answer = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}`);
    expect((await answer.json<{ progress: number }>()).progress).toBeGreaterThan(20);
    await finishTask({ ...sound, task: { ...sound.task, mark: 1 } }, 3);

    const { width: _, height: __, frameRate: ___, ...sounding } = PRESENTATION;
    const track = { name: 'en', language: 'en', label: 'English', channels: 2, isDefault: true };
    const rates = { codecs: 'mp4a.40.2', bandwidthBps: 128_000, averageBandwidthBps: 128_000 };
    const presentation = { ...sounding, renditions: [], audio: [{ ...track, ...rates }], hasPoster: false };
    await told('publish', (await mustClaim()).jobToken, { presentation });
    expect(await jobRow(job)).toMatchObject({ state: 'succeeded' });
    const video = await (await call(job.ownerId, 'GET', `/v1/videos/${job.videoId}`)).json();
    expect(video).toMatchObject({ state: 'ready', renditions: [], audio: [{ codecs: 'mp4a.40.2' }] });
    expect(video).not.toHaveProperty('width');
  });

  test('without any sound is no plan', async () => {
    await newJob();
    const { jobToken } = await mustClaim();
    expect(await refusalOf(internal('plan', jobToken, { summary: { ...summary, audioTracks: 0 } }))).toBe(
      'plan_invalid',
    );
    await told('plan', jobToken, { summary });
  });
});
