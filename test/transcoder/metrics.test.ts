// What a transcoder counts, and the trace that its calls go on with.
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { TRANSCODER_METRICS } from '../../shared/metrics-transcoder.ts';
import { parseTraceparent } from '../../shared/trace-context.ts';
import { runFfprobe, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { startHealthServer } from '../../transcoder/health.ts';
import { createLedgerClient } from '../../transcoder/ledger-client.ts';
import { rungLabel } from '../../transcoder/metrics.ts';
import { createR2 } from '../../transcoder/r2.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { createSourceCaches } from '../../transcoder/source-caches.ts';
import { performTask } from '../../transcoder/task.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { breachesOf, sampleValue } from '../support/prometheus.ts';
import { asOneChunk, encodeAll, LIMITS, planFile } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';
import { DONE, stageTranscoder, until, untilStopped } from './transcoder-stage.ts';
import { claimOf, problem, SECRET } from './wire-stand-in.ts';

const stage = stageTranscoder();

const STATE = { workerId: 'w', slots: 3, running: ['job/chunk:0'], isDraining: false, memoryBytes: 1000 };

async function scrape(): Promise<string> {
  await using server = await startHealthServer({ host: '127.0.0.1', port: 0 }, () => STATE);
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    ...[200, 'text/plain; version=0.0.4; charset=utf-8'],
  ]);
  return await answer.text();
}

/** By how much series have grown while `happen` ran. */
async function grownBy(
  series: [name: string, labels: Record<string, string>][],
  happen: () => Promise<unknown>,
): Promise<number[]> {
  const before = await scrape();
  await happen();
  const after = await scrape();
  return series.map(
    ([name, labels]) => (sampleValue(after, name, labels) ?? 0) - (sampleValue(before, name, labels) ?? 0),
  );
}

const tasks = (outcome: string): [string, Record<string, string>] => [
  'reelay_transcoder_tasks_total',
  { kind: 'chunk', outcome },
];

describe('the health port', () => {
  test('tells metrics as the format demands, with slots, memory and time', async () => {
    stage.wire.claims.push(claimOf('chunk:0'));
    stage.start(async () => DONE);
    // The task's time is counted once its report has been answered.
    await until(() => stage.events.map(([event]) => event)).toContain('task.done');
    const text = await scrape();
    expect(breachesOf(text, TRANSCODER_METRICS)).toEqual([]);
    expect(text).toContain('reelay_transcoder_task_seconds_bucket{kind="chunk"');
    const slots = (state: string) => sampleValue(text, 'reelay_transcoder_slots', { state });
    expect([slots('all'), slots('used')]).toEqual([3, 1]);
    expect(sampleValue(text, 'reelay_transcoder_memory_bytes', { kind: 'rss' })).toBeGreaterThan(1e6);
    expect(sampleValue(text, 'reelay_transcoder_memory_bytes', { kind: 'limit' })).toBe(1000);
  });
});

describe('what is counted', () => {
  let path: string;
  beforeAll(async () => {
    path = await makeClip(join(await makeFolder('metrics'), 'clip.mp4'), { seconds: 2 });
  });

  test('frames, film and time of every rung that was encoded, and how ffmpeg ended', async () => {
    const plan = asOneChunk(await planFile(path));
    const of = (name: string): [string, Record<string, string>] => [
      `reelay_transcoder_${name}_total`,
      { rung: '240p' }, // both rungs are below it
    ];
    const exits: [string, Record<string, string>] = [
      'reelay_transcoder_ffmpeg_exits_total',
      { tool: 'ffmpeg', verdict: 'ok' },
    ];
    const series = [of('encoded_frames'), of('encoded_media_seconds'), of('encode_seconds'), exits];
    const [frames, film, seconds, ended] = await grownBy(series, () => encodeAll(path, plan));
    expect([frames, film, ended]).toEqual([2 * 60, 2 * 2, 1]);
    expect(seconds).toBeGreaterThan(0);
  });

  test.each([
    ['240p', '240p'],
    ['241p', '360p'],
    ['1080p', '1080p'],
    ['90p', '240p'],
    ['4320p', '2160p'],
  ])('a rung of %s as %s: ladders may have any size', (name, label) => {
    expect(rungLabel(name)).toBe(label);
  });

  test('runs that fail, by what they died of', async () => {
    await using scratch = await createScratch('metrics-test');
    const { directory } = scratch;
    const exits = (tool: string, verdict: string): [string, Record<string, string>] => [
      'reelay_transcoder_ffmpeg_exits_total',
      { tool, verdict },
    ];
    const endless = { options: ['-nostdin', '-re', '-f', 'lavfi'], url: 'testsrc2=s=64x64:d=60' };
    const command = { inputs: [endless], outputs: [{ options: ['-f', 'null'], path: '/dev/null' }] };
    const limits = { ...LIMITS, wallSeconds: 0.3 };
    const series = [exits('ffprobe', 'error'), exits('ffmpeg', 'aborted'), exits('ffmpeg', 'timeout')];
    const grown = await grownBy(series, async () => {
      await expect(runFfprobe([], '/nonexistent', { directory, limits: LIMITS })).rejects.toThrow();
      const signal = AbortSignal.abort();
      await expect(startFfmpeg(command, { directory, limits: LIMITS, signal }).done).rejects.toThrow();
      await expect(startFfmpeg(command, { directory, limits }).done).rejects.toThrow();
    });
    expect(grown).toEqual([1, 1, 1]);
  });

  test('bytes that went to R2, once, and the attempts it took', async () => {
    let failures = 1;
    stage.wire.override = () => (failures-- > 0 ? { status: 503 } : undefined);
    const r2 = createR2(
      { endpoint: stage.wire.url, bucket: 'media', accessKeyId: 'a', secretAccessKey: 'b' },
      { retryDelaysMs: [1] },
    );
    const series: [string, Record<string, string>][] = [
      ['reelay_transcoder_storage_bytes_total', { direction: 'written' }],
      ['reelay_transcoder_retries_total', { to: 'storage' }],
    ];
    expect(await grownBy(series, () => r2.putOnce('key', new Uint8Array(500), 'video/mp4'))).toEqual([
      500, 1,
    ]);
  });

  test('tasks by how they ended, and leases that were lost', async () => {
    const losses: [string, Record<string, string>] = ['reelay_transcoder_lease_losses_total', {}];
    const grown = await grownBy([tasks('retryable'), tasks('lost'), losses], async () => {
      stage.wire.claims.push(claimOf('chunk:0'), claimOf('chunk:1'));
      stage.wire.override = ({ path: to, token }) =>
        to.endsWith('heartbeat') && token === 'token-of-chunk:1' ? problem(409, 'lease_lost') : undefined;
      stage.start(async (context) => {
        if (context.claim.task.index === 1) return await untilStopped(context);
        throw new Error('something');
      });
      await until(() => stage.events.map(([event]) => event)).toContain('task.dropped');
    });
    expect(grown).toEqual([1, 1, 1]);
  });
});

describe('the trace of a claim', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  test.each([
    ['is that of every line about its task and of every call', `00-${TRACE}-00f067aa0ba902b7-01`, TRACE],
    ['that is none is in neither', undefined, undefined],
  ])('%s', async (_case, traceparent, traceId) => {
    const lines: { event: string; traceId?: string }[] = [];
    vi.spyOn(console, 'info').mockImplementation((line: string) => void lines.push(JSON.parse(line)));
    const claim = claimOf('chunk:0');
    const { directory } = stage.scratch;
    await performTask(
      { ...claim, job: { ...claim.job, ...(traceparent !== undefined && { traceparent }) } },
      {
        ledger: createLedgerClient({ url: stage.wire.url, secret: SECRET }),
        openStorage: () => memoryR2({ 'sources/video1/upload1': new Uint8Array(10) }),
        capacity: { slots: 1, threads: 1, limits: LIMITS },
        scratchRoot: directory,
        sourceCaches: createSourceCaches({ directory, cacheBytes: 2 ** 20, idleMs: 0 }),
        drainSeconds: 0,
        log: createLog(),
        runTask: async ({ commit }) => {
          await commit(1);
          return DONE;
        },
      },
      new AbortController().signal,
    );
    vi.restoreAllMocks();
    expect(lines.map(({ event, traceId: id }) => [event, id])).toEqual([
      ['task.started', traceId],
      ['task.done', traceId],
    ]);
    const calls = ['/internal/commit', '/internal/done'].flatMap((to) => stage.wire.to(to));
    const traces = calls.map((call) => parseTraceparent(call.traceparent));
    expect(traces.map((trace) => trace?.traceId)).toEqual([traceId, traceId]);
    // Each call is a step of its own.
    if (traceId) expect(new Set(traces.map((trace) => trace?.spanId)).size).toBe(2);
  });
});
