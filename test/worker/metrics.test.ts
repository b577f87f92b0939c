// What /metrics and /v1/stats tell of what has just happened, and to whom.
import { createScheduledController, env, evictDurableObject, SELF } from 'cloudflare:test';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { seriesKey } from '../../shared/metrics.ts';
import { Stats } from '../../shared/metrics-api.ts';
import { STATE_METRICS, WORKER_METRICS } from '../../shared/metrics-worker.ts';
import type { Env } from '../../worker/env.ts';
import { flushMeter, flushSoon, type MetricsBatch, meter, metricsStore } from '../../worker/http/meter.ts';
import { reapLapsed } from '../../worker/jobs/reap.ts';
import { STATE_QUERIES, stateSeries } from '../../worker/ops/state-metrics.ts';
import { breachesOf, sampleValue } from '../support/prometheus.ts';
import { type Client, clientOf, codeOf, ORIGIN } from './api-client.ts';
import { chunkAtWork, clearTasks, lapse, newJob, runJob, told } from './ledger-fixtures.ts';
import { bytesOf, fetchMedia, play, playToken, publishVideo } from './playback-fixtures.ts';
import { tokenOf } from './protected-fixtures.ts';
import { bytesOfTrack, closeViewers, publishFilm, readToEnd, view } from './stream-film.ts';
import { uploaded } from './upload-steps.ts';

let admin: Client;
beforeAll(async () => {
  admin = await clientOf('admin');
});

async function scrape(): Promise<string> {
  const answer = await admin.call('GET', '/metrics');
  expect(answer.status).toBe(200);
  return await answer.text();
}

type Labels = Record<string, string>;

/** By how much a series has grown while `happen` ran. */
async function grownBy(name: keyof typeof WORKER_METRICS, labels: Labels, happen: () => Promise<unknown>) {
  const before = sampleValue(await scrape(), name, labels) ?? 0;
  await happen();
  return (sampleValue(await scrape(), name, labels) ?? 0) - before;
}

const stats = async (): Promise<Stats> => Stats.parse(await admin.json(200, 'GET', '/v1/stats'));

describe('the text of /metrics', () => {
  it('is what the format demands, and the table and it name the same metrics', async () => {
    await uploaded(admin);
    await clearTasks();
    await runJob(await newJob());
    const answer = await admin.call('GET', '/metrics');
    expect(answer.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await answer.text();
    expect(breachesOf(text, WORKER_METRICS)).toEqual([]);
    expect(text).toContain('reelay_http_request_duration_seconds_bucket{');
  });

  it.each([
    ['its buckets are not cumulative', /(_bucket\{[^}]*le="0.005"\}) \d+/, '$1 999'],
    ['its count is not that of +Inf', /(duration_seconds_count\{[^}]*\}) \d+/, '$1 999999'],
    ['TYPE is there 0 times', /# TYPE reelay_tasks gauge\n/, ''],
    ['is not in the table', /$/, '# HELP other x\n# TYPE other gauge\nother 1\n'],
  ])('would be found out where %s', async (breach, from, to) => {
    const text = await scrape();
    expect(breachesOf(text.replace(from, to), WORKER_METRICS).join()).toContain(breach);
  });

  it('names routes by their patterns, whatever is asked for', async () => {
    const id = crypto.randomUUID();
    const labels = { method: 'GET', route: '/v1/videos/:id', status: '404' };
    const ask = async () => {
      for (const path of [
        `/v1/videos/${id}`,
        `/nowhere/${id}`,
        `/p/${id}/x`,
        `/hls/videos/${id}/master.m3u8`,
      ]) {
        await (await admin.call('GET', path)).text();
      }
    };
    expect(await grownBy('reelay_http_requests_total', labels, ask)).toBe(1);
    expect(await scrape()).not.toContain(id);
  });
});

describe('who may read them', () => {
  const withToken = (token?: string) =>
    SELF.fetch(
      `${ORIGIN}/metrics`,
      token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } },
    );

  it.each([
    ['/metrics', 'uploader'],
    ['/v1/stats', 'uploader'],
    ['/metrics', 'viewer'],
    ['/v1/stats', 'viewer'],
  ] as const)('%s is for admins, not for the role %s', async (path, role) => {
    expect(await (await clientOf(role)).code('GET', path)).toBe('forbidden');
    expect(await (await clientOf('admin')).code('GET', path)).toBe('status 200');
  });

  it('the token of the scraper opens /metrics, and nothing else', async () => {
    const token = env.METRICS_TOKEN as string;
    expect(await codeOf((await withToken(token)) as unknown as Response)).toBe('status 200');
    expect(await codeOf((await withToken(`${token}x`)) as unknown as Response)).toBe('unauthorized');
    expect(await codeOf((await withToken()) as unknown as Response)).toBe('unauthorized');
    const elsewhere = await SELF.fetch(`${ORIGIN}/v1/stats`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(await codeOf(elsewhere as unknown as Response)).toBe('unauthorized');
  });
});

describe('what is counted', () => {
  it('media by its bytes, and whether R2 was asked', async () => {
    const video = await publishVideo();
    const token = tokenOf(await play(video));
    const [first] = [await stats()];
    const fetched = async (from: string) => {
      const labels = { from };
      return await grownBy('reelay_media_reads_total', labels, async () => {
        await (await fetchMedia(token, `${video.prefix}stream_720p_000.m4s`)).arrayBuffer();
      });
    };
    expect(await fetched('storage')).toBe(1);
    expect(await fetched('memory')).toBe(1);
    const bytes = bytesOf(1000).byteLength;
    const now = await stats();
    expect(now.bytesSent - first.bytesSent).toBe(2 * bytes);
    expect(now.throughputBps).toBeGreaterThanOrEqual((8 * 2 * bytes) / 60 - 1);
    expect(now.cacheHitRatio).toBeGreaterThan(0);
    expect(now.activeSessions - first.activeSessions).toBe(0);
    await play(video);
    expect((await stats()).activeSessions - first.activeSessions).toBe(1);
  });

  it('media that a WebSocket carries, too', async () => {
    const { bytesSent } = await stats();
    const viewer = await view(await playToken(await publishFilm()));
    viewer.say({ type: 'start', video: '240p' });
    await readToEnd(viewer, 1);
    const sent = bytesOfTrack(viewer, 'video').byteLength + bytesOfTrack(viewer, 'audio').byteLength;
    expect((await stats()).bytesSent - bytesSent).toBe(sent);
    closeViewers();
  });

  it('uploads by their bytes', async () => {
    const labels = { method: 'single' };
    expect(await grownBy('reelay_upload_bytes_total', labels, () => uploaded(admin))).toBeGreaterThan(0);
  });

  it('jobs from the claim to their end, once each, and how long they took', async () => {
    await clearTasks();
    const before = await stats();
    const job = await newJob();
    expect(await stats()).toMatchObject({ jobsQueued: before.jobsQueued + 1, tasksReady: 1 });
    const run = () => runJob(job);
    expect(await grownBy('reelay_commits_total', { kind: 'chunk' }, run)).toBe(1);
    const after = await stats();
    expect(after).toMatchObject({
      jobsProcessed: before.jobsProcessed + 1,
      jobsQueued: before.jobsQueued,
      tasksReady: 0,
    });
    expect(after.meanProcessingSeconds).toBeGreaterThanOrEqual(0);
    await env.DB.prepare('DELETE FROM tasks WHERE job_id = ?').bind(job.jobId).run();
    await env.DB.prepare('DELETE FROM jobs WHERE id = ?').bind(job.jobId).run();
    expect((await stats()).jobsProcessed).toBe(after.jobsProcessed);
  });

  it('jobs that failed, and why their attempts ended', async () => {
    const before = await stats();
    const { held } = await chunkAtWork();
    const fail = () =>
      told('fail', held.jobToken, { code: 'media_malformed', detail: 'It is.', kind: 'media' });
    const labels = { kind: 'chunk', outcome: 'media' };
    expect(await grownBy('reelay_task_attempts_total', labels, fail)).toBe(1);
    expect((await stats()).jobsFailed).toBe(before.jobsFailed + 1);
  });

  it('leases that nobody renewed, and how long work has been waiting', async () => {
    await clearTasks();
    const { held } = await chunkAtWork();
    expect((await stats()).tasksRunning).toBe(1);
    await lapse(held);
    expect(await grownBy('reelay_lease_expiries_total', {}, () => reapLapsed(env.DB))).toBe(1);
    await env.DB.prepare(`UPDATE tasks SET not_before = unixepoch() - 100 WHERE state = 'ready'`).run();
    expect((await stats()).queueAgeSeconds).toBeGreaterThanOrEqual(100);
  });

  it('refusals by their code', async () => {
    const refuse = () => admin.call('GET', `/v1/jobs/${crypto.randomUUID()}`);
    expect(await grownBy('reelay_http_errors_total', { code: 'not_found' }, refuse)).toBe(1);
  });

  it('runs of the cron and what they cleared away', async () => {
    const { uploadId } = await admin.json<{ uploadId: string }>(201, 'POST', '/v1/uploads', {
      json: { filename: 'a.mp4', sizeBytes: 1000, method: 'single' },
    });
    await env.DB.prepare('UPDATE uploads SET expires_at = 0 WHERE id = ?').bind(uploadId).run();
    const before = sampleValue(await scrape(), 'reelay_quota_returned_bytes_total') ?? 0;
    const run = async () => {
      const worker = (await import('../../worker/index.ts')).default;
      await worker.scheduled(createScheduledController(), env as Env);
    };
    expect(await grownBy('reelay_swept_total', { what: 'expired_uploads' }, run)).toBe(1);
    const text = await scrape();
    expect(sampleValue(text, 'reelay_quota_returned_bytes_total')! - before).toBe(1000);
    expect(sampleValue(text, 'reelay_cron_runs_total', { outcome: 'ok' })).toBeGreaterThan(0);
  });
});

describe('an isolate', () => {
  const key = seriesKey('reelay_commits_total', ['isolate']);
  const told = async () => {
    const { series } = await metricsStore(env as Env).read();
    return (series as [string, number[]][]).find(([name]) => name === key)?.[1][0] ?? 0;
  };
  const commit = () => meter.count('reelay_commits_total', { kind: 'isolate' });
  const log = createLog();

  it('tells by itself what it has counted, once for all requests of some seconds', async () => {
    const before = await told();
    const work: Promise<unknown>[] = [];
    const timed = { ...env, METRICS_FLUSH_SECONDS: '5' } as unknown as Env;
    for (let request = 0; request < 3; request++) {
      commit();
      flushSoon(
        timed,
        log,
        Date.now(),
        (one) => void work.push(one),
        async () => {},
      );
    }
    expect(work).toHaveLength(1);
    expect(await told()).toBe(before);
    await Promise.all(work);
    expect((await told()) - before).toBe(3);
  });

  it.each([
    ['did not get it', false],
    ['got it and could not say so', true],
  ])('counts once what it tells again, since the store %s', async (_case, isReceived) => {
    const before = await told();
    const silent = {
      idFromName: () => '',
      get: () => ({
        add: async (batch: MetricsBatch) => {
          if (isReceived) await metricsStore(env as Env).add(batch);
          throw new Error('no answer');
        },
      }),
    };
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    commit();
    await flushMeter({ ...env, METRICS: silent } as unknown as Env, log);
    commit();
    await flushMeter(env as Env, log);
    vi.restoreAllMocks();
    expect((await told()) - before).toBe(2);
  });
});

describe('the store of counts', () => {
  const key = seriesKey('reelay_commits_total', ['test']);
  const countOf = async () => {
    const { series } = await metricsStore(env as Env).read();
    return (series as [string, number[]][]).find(([name]) => name === key)?.[1][0] ?? 0;
  };

  it('adds each batch of an isolate once, however often it comes', async () => {
    const before = await countOf();
    const isolate = crypto.randomUUID();
    const tell = (seq: number, by: number) =>
      metricsStore(env as Env).add({ isolate, seq, series: [[key, [by]]] });
    for (const seq of [1, 1, 2, 1]) await tell(seq, 10);
    expect((await countOf()) - before).toBe(20);
  });

  it('never takes back what somebody has read, though it is moved in the next moment', async () => {
    await metricsStore(env as Env).add({ isolate: crypto.randomUUID(), seq: 1, series: [[key, [5]]] });
    const read = await countOf();
    await evictDurableObject(metricsStore(env as Env));
    expect(await countOf()).toBe(read);
  });

  it('leaves out what it does not know, and buckets of another version', async () => {
    const before = await scrape();
    const series: [string, number[]][] = [
      [seriesKey('reelay_unheard_of_total', []), [1]],
      [seriesKey('reelay_webhook_attempt_duration_seconds', []), [1, 2, 3]],
      [seriesKey('constructor', []), [1]],
    ];
    await metricsStore(env as Env).add({ isolate: crypto.randomUUID(), seq: 1, series });
    const after = await scrape();
    expect(after).not.toContain('unheard');
    expect(breachesOf(after, WORKER_METRICS)).toEqual([]);
    expect(sampleValue(after, 'reelay_webhook_attempt_duration_seconds_count')).toBe(
      sampleValue(before, 'reelay_webhook_attempt_duration_seconds_count'),
    );
  });
});

describe('what is read from D1', () => {
  it('takes no more than a part of an index, or a table of a few rows', async () => {
    const scans = await Promise.all(STATE_QUERIES.map(({ sql }) => scansOf(sql)));
    expect(scans.flat()).toEqual([]);
    expect(new Set(STATE_QUERIES.map(({ name }) => name))).toEqual(new Set(Object.keys(STATE_METRICS)));
  });

  it.each([
    ['a table', `SELECT count(*) FROM (SELECT 1 FROM uploads WHERE filename = 'a' LIMIT 10)`],
    ['an index', `SELECT count(*) FROM (SELECT 1 FROM videos ORDER BY owner_id, created_at DESC, id DESC)`],
    ['a part of an index without an end', `SELECT count(*) FROM tasks WHERE state = 'blocked'`],
  ])('would be found out where it took the whole of %s', async (_what, sql) => {
    expect(await scansOf(sql)).toHaveLength(1);
  });

  it('is one round trip', async () => {
    let trips = 0;
    const DB = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => {
        trips++;
        return env.DB.batch(statements);
      },
    };
    await stateSeries(DB as unknown as D1Database);
    expect(trips).toBe(1);
  });
});

/** Steps of a query's plan that read all there is of something that grows. */
async function scansOf(sql: string): Promise<string[]> {
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).all<{ detail: string }>();
  const partial = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'`,
  ).all<{ name: string }>();
  const parts = new Set(partial.results.map(({ name }) => name));
  return results
    .map(({ detail }) => detail)
    .filter((step) => {
      const [, table = '', index = ''] = /^SCAN (\S+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(step) ?? [];
      const isSmall = /^(job_totals|watch_losses|\(subquery.*)$/.test(table);
      return table !== '' && !isSmall && !(parts.has(index) && sql.includes('LIMIT'));
    });
}
