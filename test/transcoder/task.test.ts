import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import type { TaskOutcome } from '../../transcoder/pipeline.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { DONE, LIMITS, stageTranscoder, until, untilStopped } from './transcoder-stage.ts';
import { claimOf, problem } from './wire-stand-in.ts';

const stage = stageTranscoder();

const untilTidy = () => until(() => readdir(stage.scratch.directory)).toEqual([]);

describe('a task', () => {
  test('has a directory, the source and the numbers of this machine, and leaves nothing behind', async () => {
    stage.wire.claims.push(claimOf('chunk:7'));
    let seen: TaskContext | undefined;
    stage.start(async (context) => {
      seen = context;
      const names = (await readdir(stage.scratch.directory)).sort();
      expect(names).toEqual([expect.stringMatching(/^chunk-7-/), expect.stringMatching(/^source-.*cache$/)]);
      expect(await context.source.read(0, 10)).toHaveLength(10);
      return DONE;
    });
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
    expect(seen).toMatchObject({ threads: 1, limits: LIMITS, claim: { task: { name: 'chunk:7' } } });
    await untilTidy();
  });

  test.each([
    [
      'plan',
      { kind: 'planned', summary: { totalFrames: 1 } },
      '/internal/plan',
      { summary: { totalFrames: 1 } },
    ],
    ['audio:0', { kind: 'done', mark: 5 }, '/internal/done', { mark: 5 }],
    [
      'finish',
      { kind: 'published', presentation: { a: 1 } },
      '/internal/publish',
      { presentation: { a: 1 } },
    ],
  ])('of kind %s reports what it made', async (name, outcome, path, body) => {
    stage.wire.claims.push(claimOf(name));
    stage.start(async () => outcome as TaskOutcome);
    await until(() => stage.wire.to(path).length).toBe(1);
    expect(stage.wire.to(path)[0]).toMatchObject({ body, token: `token-of-${name}` });
  });

  test('commits as it goes and tells its progress at most once a second', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.start(async ({ commit, progress }) => {
      await commit(1);
      await commit(2);
      for (let frame = 0; frame < 50; frame++) progress(frame);
      return DONE;
    });
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
    expect(stage.wire.to('/internal/commit').map(({ body }) => body.mark)).toEqual([1, 2]);
    await until(() => stage.wire.to('/internal/progress').length).toBe(1);
  });

  test('keeps its lease by heartbeats for as long as it runs, and not longer', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    const { consumer } = stage.start(async () => {
      await until(() => stage.wire.to('/internal/heartbeat').length).toBeGreaterThan(3);
      return DONE;
    });
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
    await until(() => consumer.running()).toEqual([]); // the lease is let go before that
    const beats = stage.wire.to('/internal/heartbeat').length;
    await delay(200);
    expect(stage.wire.to('/internal/heartbeat').length).toBeLessThanOrEqual(beats + 1);
  });
});

describe('a lost lease', () => {
  test('kills ffmpeg and drops the task without a word', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    const killed = Promise.withResolvers<unknown>();
    stage.start(async ({ signal, scratch: own }) => {
      const run = startFfmpeg(
        {
          inputs: [{ options: ['-nostdin', '-re', '-f', 'lavfi'], url: 'testsrc2=size=64x64:duration=600' }],
          outputs: [{ options: ['-f', 'null'], path: '/dev/null' }],
        },
        {
          directory: own.directory,
          limits: LIMITS,
          signal,
          onProgress: () => {
            stage.wire.override = ({ path }) =>
              path.endsWith('heartbeat') ? problem(409, 'lease_lost') : undefined;
          },
        },
      );
      await run.done.catch((error: unknown) => {
        killed.resolve(error);
        throw error;
      });
      return DONE;
    });
    expect(await killed.promise).toMatchObject({ name: 'FfmpegError', isAborted: true });
    await until(() => stage.events.map(([event]) => event)).toContain('task.dropped');
    for (const path of ['done', 'fail', 'release']) expect(stage.wire.to(`/internal/${path}`)).toEqual([]);
  });

  test.each(['lease_lost', 'job_finished', 'token_expired'])(
    'is noticed when a commit answers %s',
    async (code) => {
      stage.wire.claims.push(claimOf('chunk:0', { heartbeatSeconds: 60 }));
      stage.wire.override = ({ path }) => (path.endsWith('commit') ? problem(409, code) : undefined);
      const reasons: unknown[] = [];
      stage.start(async (context) => {
        await context.commit(1).catch(() => reasons.push(context.signal.reason));
        return untilStopped(context);
      });
      await until(() => stage.events.map(([event]) => event)).toContain('task.dropped');
      expect(reasons).toMatchObject([{ code: 'lease_lost' }]);
      expect(stage.wire.to('/internal/fail')).toEqual([]);
    },
  );

  test('is assumed when no heartbeat has come through for as long as a lease lasts', async () => {
    // Some forty heartbeats long: on a busy machine a few take much of it.
    stage.wire.claims.push(claimOf('chunk:0', { leaseSeconds: 2 }));
    stage.wire.override = ({ path }) =>
      path.endsWith('heartbeat') ? problem(503, 'database_unavailable') : undefined;
    stage.start(untilStopped);
    await until(() => stage.events.map(([event]) => event)).toContain('task.dropped');
    expect(stage.wire.to('/internal/heartbeat').length).toBeGreaterThan(2);
  });

  test('is not assumed for a heartbeat or two that fail', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.wire.override = ({ path }) =>
      path.endsWith('heartbeat') && stage.wire.to('/internal/heartbeat').length < 3 ? 'drop' : undefined;
    stage.start(async () => {
      await until(() => stage.wire.to('/internal/heartbeat').length).toBeGreaterThan(4);
      return DONE;
    });
    await until(() => stage.wire.to('/internal/done').length).toBe(1);
  });
});

describe('a failure', () => {
  async function reported(error: unknown): Promise<Record<string, unknown> | undefined> {
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.start(async () => {
      throw error;
    });
    await until(() => stage.wire.to('/internal/fail').length).toBe(1);
    return stage.wire.to('/internal/fail')[0]?.body;
  }

  test('of the file is told as one', async () => {
    const detail = 'The file is a text.';
    expect(await reported(new AppError('media_not_video', { detail }))).toEqual({
      code: 'media_not_video',
      detail,
      kind: 'media',
    });
  });

  test('of another kind may be tried again, under its own code', async () => {
    expect(await reported(new AppError('verification_failed'))).toMatchObject({
      code: 'verification_failed',
      kind: 'retryable',
    });
  });

  test('that nobody foresaw says nothing of its message', async () => {
    const failure = await reported(new Error('password=hunter2'));
    expect(failure).toMatchObject({ code: 'internal', kind: 'retryable' });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
    const [, fields] = stage.events.find(([event]) => event === 'task.failed')!;
    expect(fields.error).toContain('hunter2');
  });

  test('to read the source outranks what ffmpeg made of it', async () => {
    stage.wire.claims.push(claimOf('plan'));
    const { r2 } = stage.start(async ({ source }) => {
      r2.failWhen = () => new AppError('storage_unavailable');
      await source.read(0, 1).catch(() => undefined);
      throw new AppError('media_malformed');
    });
    await until(() => stage.wire.to('/internal/fail').length).toBe(1);
    expect(stage.wire.to('/internal/fail')[0]?.body).toMatchObject({
      code: 'storage_unavailable',
      kind: 'retryable',
    });
  });

  test('to report is survived', async () => {
    stage.wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'));
    stage.wire.override = ({ path, token }) =>
      path.endsWith('done') && token === 'token-of-chunk:0' ? problem(422, 'plan_invalid') : undefined;
    stage.start(async () => DONE);
    await until(() => stage.wire.to('/internal/done').some(({ token }) => token === 'token-of-chunk:1')).toBe(
      true,
    );
    expect(stage.wire.to('/internal/fail')[0]).toMatchObject({
      token: 'token-of-chunk:0',
      body: { code: 'plan_invalid' },
    });
  });
});
