import { env } from 'cloudflare:test';
import { beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { recommendExportKey, recommendPrefix } from '../../shared/object-keys.ts';
import type { RecommendClaim, RecommendRun } from '../../shared/recommend-api.ts';
import type { ExportRow, ModelSummary } from '../../shared/recommend-model.ts';
import type { Env } from '../../worker/env.ts';
import { tendRecommendations } from '../../worker/recommend/chores.ts';
import { exportPart } from '../../worker/recommend/export.ts';
import { scheduleRuns } from '../../worker/recommend/run-store.ts';
import { type Client, clientOf, clientWith } from './api-client.ts';
import { publishVideo } from './playback-fixtures.ts';
import { addVideo, publishTasteModel, watch } from './recommend-fixtures.ts';

const transcoder = clientWith(env.TRANSCODER_SECRET as string);
const RUNS = '/v1/recommendations/runs';
const SUMMARY: ModelSummary = {
  v: 1,
  ...{ factors: 8, alpha: 10, lambda: 1, viewers: 1, items: 1, rows: 1 },
  ...{ hasFactors: false, ranking: 'neighbours', neighbourShards: 1, trainedAt: 1, seconds: 1 },
};

// Runs of all owners wait in one line.
beforeEach(async () => {
  await env.DB.batch(
    ['recommend_runs', 'recommend_models', 'watch_sessions'].map((table) =>
      env.DB.prepare(`DELETE FROM ${table}`),
    ),
  );
});

async function started(): Promise<{ client: Client; runId: string; claim: RecommendClaim; held: Client }> {
  const client = await clientOf('uploader');
  const { runId } = await client.json<{ runId: string }>(202, 'POST', RUNS);
  const claim = await claimed();
  return { client, runId, claim, held: clientWith(claim.jobToken) };
}

const claimed = () =>
  transcoder.json<RecommendClaim>(200, 'POST', '/internal/recommend/claim', { json: { workerId: 'w1' } });

const lapse = (runId: string) =>
  env.DB.prepare('UPDATE recommend_runs SET lease_until = 0 WHERE id = ?').bind(runId).run();

async function storeSummary({ modelPrefix }: RecommendClaim): Promise<void> {
  await env.MEDIA.put(`${modelPrefix}model.json`, JSON.stringify(SUMMARY));
}

async function exported(runId: string, part = 0): Promise<ExportRow[]> {
  const object = await env.MEDIA.get(recommendExportKey(runId, part));
  const text = (await object?.text()) ?? '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ExportRow);
}

describe('a training run', () => {
  test('is asked for, claimed, reported, and then the model that stands', async () => {
    const { client, runId, claim, held } = await started();
    expect(await client.json(200, 'GET', `${RUNS}/${runId}`)).toMatchObject({ runId, state: 'running' });
    expect(await held.code('POST', '/internal/recommend/heartbeat')).toBe('status 200');
    await storeSummary(claim);
    const done = { json: { summary: SUMMARY } };
    expect(await held.code('POST', '/internal/recommend/done', done)).toBe('status 200');
    // An answer may be lost; saying it again changes nothing.
    expect(await held.code('POST', '/internal/recommend/done', done)).toBe('status 200');
    const run = await client.json<RecommendRun>(200, 'GET', `${RUNS}/${runId}`);
    expect(run).toMatchObject({ state: 'succeeded', model: SUMMARY });
    const pointer = await env.DB.prepare('SELECT run_id, prefix FROM recommend_models WHERE owner_id = ?')
      .bind(client.ownerId)
      .first();
    expect(pointer).toEqual({ run_id: runId, prefix: claim.modelPrefix });
    expect(await held.code('POST', '/internal/recommend/heartbeat')).toBe('lease_lost');
  });

  test('is not over before its model is stored', async () => {
    const { claim, held } = await started();
    const done = { json: { summary: SUMMARY } };
    expect(await held.code('POST', '/internal/recommend/done', done)).toBe('recommend_failed');
    await storeSummary(claim);
    expect(await held.code('POST', '/internal/recommend/done', done)).toBe('status 200');
  });

  test('is one at a time for an owner, and many for many', async () => {
    const client = await clientOf('uploader');
    await client.json(202, 'POST', RUNS);
    expect(await client.code('POST', RUNS)).toBe('recommend_in_progress');
    expect(await (await clientOf('uploader')).code('POST', RUNS)).toBe('status 202');
  });

  test('is handed out once, and again when its transcoder went silent, whose word then counts no more', async () => {
    const { runId, held, claim } = await started();
    const again = () => transcoder.code('POST', '/internal/recommend/claim', { json: { workerId: 'w2' } });
    expect(await again()).toBe('status 204');
    await lapse(runId);
    const second = await claimed();
    expect(second).toMatchObject({ runId, epoch: claim.epoch + 1 });
    expect(second.modelPrefix).not.toBe(claim.modelPrefix);
    await storeSummary(claim);
    expect(await held.code('POST', '/internal/recommend/done', { json: { summary: SUMMARY } })).toBe(
      'lease_lost',
    );
    expect(await clientWith(second.jobToken).code('POST', '/internal/recommend/heartbeat')).toBe(
      'status 200',
    );
  });

  test('fails for good after three silences', async () => {
    const { client, runId } = await started();
    for (let attempt = 0; attempt < 2; attempt++) {
      await lapse(runId);
      await claimed();
    }
    await lapse(runId);
    expect(await transcoder.code('POST', '/internal/recommend/claim', { json: { workerId: 'w' } })).toBe(
      'status 204',
    );
    expect(await client.json(200, 'GET', `${RUNS}/${runId}`)).toMatchObject({
      state: 'failed',
      error: { code: 'recommend_failed' },
    });
  });

  test.each([
    [true, 'queued'],
    [false, 'failed'],
  ])('that fails goes back into the line where trying again may help: %s', async (mayRetry, state) => {
    const { client, runId, held } = await started();
    const json = { code: 'recommend_no_history', detail: 'Nobody.', mayRetry };
    await held.json(200, 'POST', '/internal/recommend/fail', { json });
    const run = await client.json<RecommendRun>(200, 'GET', `${RUNS}/${runId}`);
    expect(run.state).toBe(state);
    expect(run.error?.code).toBe(mayRetry ? undefined : 'recommend_no_history');
  });

  test('that is given back costs no attempt', async () => {
    const { runId, held } = await started();
    await held.json(200, 'POST', '/internal/recommend/release');
    const row = await env.DB.prepare('SELECT state, attempts FROM recommend_runs WHERE id = ?')
      .bind(runId)
      .first();
    expect(row).toEqual({ state: 'queued', attempts: 0 });
  });

  test('is for those who manage the library and for transcoders, each on their own side', async () => {
    const { client, runId, claim } = await started();
    const viewer = await clientOf('viewer', client.ownerId);
    expect(await viewer.code('POST', RUNS)).toBe('forbidden');
    expect(await viewer.code('GET', `${RUNS}/${runId}`)).toBe('forbidden');
    expect(await (await clientOf('uploader')).code('GET', `${RUNS}/${runId}`)).toBe('not_found');
    expect(await client.code('POST', '/internal/recommend/claim', { json: { workerId: 'w' } })).toBe(
      'unauthorized',
    );
    expect(await transcoder.code('POST', '/internal/recommend/export')).toBe('unauthorized');
    expect(await clientWith(claim.jobToken).code('POST', '/internal/recommend/export')).toBe('status 200');
    // Nor does a run's token open the ledger of jobs.
    expect(await clientWith(claim.jobToken).code('POST', '/internal/heartbeat')).toBe('lease_lost');
  });
});

describe('the export', () => {
  test('has a line for each pair, with a number for a viewer, in parts, each pair once', async () => {
    const { client, runId, claim } = await started();
    const { ownerId } = client;
    const [a, b] = [await addVideo(ownerId), await addVideo(ownerId)].sort() as [string, string];
    await watch(ownerId, 'anna', a, 0.5);
    await watch(ownerId, 'anna', a, 0.7);
    await watch(ownerId, 'anna', b, 0.04);
    await watch(ownerId, 'ben', a, 1);
    for (let time = 0; time < 5; time++) await watch(ownerId, 'ben', b, 1);
    await watch(ownerId, '', b, 1);
    await watch(ownerId, 'carl', await addVideo(ownerId, { state: 'deleting' }), 1);
    await watch('somebody-else', 'dora', a, 1);
    const answers = [];
    do answers.push(await exportPart(env.DB, env.MEDIA, claim, 2));
    while (!answers.at(-1)!.isDone);
    expect(answers).toEqual([
      { parts: 1, rows: 2, isDone: false },
      { parts: 2, rows: 3, isDone: true },
    ]);
    expect([...(await exported(runId, 0)), ...(await exported(runId, 1))]).toEqual([
      { viewer: 0, video: a, weight: 1.2, at: expect.any(Number) },
      { viewer: 1, video: a, weight: 1, at: expect.any(Number) },
      { viewer: 1, video: b, weight: 2, at: expect.any(Number) },
    ]);
    expect(await exportPart(env.DB, env.MEDIA, claim, 2)).toEqual(answers[1]);
  });

  test('leaves out who has opted out', async () => {
    const { client, runId, held } = await started();
    const video = await addVideo(client.ownerId);
    await watch(client.ownerId, 'anna', video);
    await watch(client.ownerId, 'ben', video, 0.5);
    const admin = await clientOf('admin', client.ownerId);
    await admin.json(200, 'PATCH', '/v1/viewers/anna', { json: { optOut: true } });
    await held.json(200, 'POST', '/internal/recommend/export');
    expect(await exported(runId)).toEqual([expect.objectContaining({ viewer: 0, weight: 0.5 })]);
  });
});

describe('a viewer who is forgotten', () => {
  test('is in no row and no object any more, and what plays ends', async () => {
    const film = await publishVideo();
    const { ownerId } = film;
    const name = `anna-${crypto.randomUUID()}`;
    const viewer = await clientOf('admin', ownerId);
    const session = await watch(ownerId, name, film.id);
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO qoe_sessions (session_id, heard_at, version, hour, rung, app, is_measured, has_failed, state)
         VALUES (?, 1, 1, 1, '', '', 0, 0, '{}')`,
      ).bind(session),
      ...[-10, 1000].map((seconds) =>
        env.DB.prepare(
          `INSERT INTO sessions (id, video_id, viewer_id, device_id, output_prefix, ttl_seconds, owner_id, country,
             expires_at) VALUES (?, ?, ?, ?, ?, 60, ?, 'DE', unixepoch() + ?)`,
        ).bind(crypto.randomUUID(), film.id, name, `tv of ${name}`, film.prefix, ownerId, seconds),
      ),
      env.DB.prepare('INSERT INTO viewer_devices (owner_id, viewer_id, device_id) VALUES (?, ?, ?)').bind(
        ...[ownerId, name, `tv of ${name}`],
      ),
    ]);
    await publishTasteModel(ownerId, { [film.id]: 0 });
    const uploader = await clientOf('uploader', ownerId);
    const { runId } = await uploader.json<{ runId: string }>(202, 'POST', RUNS);
    const claim = await claimed();
    // Stopped at this viewer's row.
    await exportPart(env.DB, env.MEDIA, claim, 1);
    await viewer.json(200, 'GET', `/v1/viewers/${name}/recommendations`);
    await expect.poll(() => rowsWith(name), { timeout: 20_000 }).toContain('viewer_rankings');
    expect(await rowsWith(name)).toEqual(
      expect.arrayContaining(['sessions', 'watch_sessions', 'viewer_devices', 'recommend_runs']),
    );
    await watch(ownerId, 'ben', film.id);

    await viewer.json(204, 'DELETE', `/v1/viewers/${name}`);

    expect(await rowsWith(name)).toEqual([]);
    const left = await env.DB.prepare(
      'SELECT device_id, country, revoked_at > 0 AS revoked FROM sessions WHERE owner_id = ?',
    )
      .bind(ownerId)
      .all();
    expect(left.results).toEqual([{ device_id: null, country: null, revoked: 1 }]);
    expect(
      await env.DB.prepare('SELECT 1 FROM qoe_sessions WHERE session_id = ?').bind(session).first(),
    ).toBeNull();
    // The run begins its export anew, of those who are left.
    expect(await exportPart(env.DB, env.MEDIA, claim)).toEqual({ parts: 1, rows: 1, isDone: true });
    for (const { key } of (await env.MEDIA.list({ prefix: recommendPrefix(runId) })).objects) {
      expect(await (await env.MEDIA.get(key))!.text()).not.toContain(name);
    }
    expect(await exported(runId)).toEqual([expect.objectContaining({ viewer: 0 })]);
    // Forgetting whoever is not known is no failure.
    await viewer.json(204, 'DELETE', `/v1/viewers/${name}`);
  });
});

/** The tables in which the text stands anywhere. */
async function rowsWith(text: string): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT GLOB 'sqlite_*'
       AND name NOT GLOB 'd1_*'`,
  ).all<{ name: string }>();
  const found: string[] = [];
  for (const { name } of results) {
    const rows = await env.DB.prepare(`SELECT * FROM "${name}"`).all();
    if (JSON.stringify(rows.results).includes(text)) found.push(name);
  }
  return found;
}

describe('the cron', () => {
  const log = createLog();

  test('has each library trained that was watched since, once a day', async () => {
    const [fresh, idle, trained] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
    await watch(fresh, 'anna', 'v1');
    await watch(idle, 'anna', 'v2', 1, 3 * 86_400);
    await watch(trained, 'anna', 'v3');
    await watch(crypto.randomUUID(), '', 'v4');
    await env.DB.batch([
      ...[
        [idle, 2 * 86_400],
        [trained, 3600],
      ].map(([ownerId, ago]) =>
        env.DB.prepare(
          `INSERT INTO recommend_runs (id, owner_id, state, created_at, finished_at)
           VALUES (?, ?, 'succeeded', unixepoch() - ?3, unixepoch() - ?3)`,
        ).bind(crypto.randomUUID(), ownerId, ago),
      ),
    ]);
    expect(await scheduleRuns(env.DB)).toBe(1);
    expect(await scheduleRuns(env.DB)).toBe(0);
    const { results } = await env.DB.prepare(
      `SELECT owner_id FROM recommend_runs WHERE state = 'queued'`,
    ).all();
    expect(results).toEqual([{ owner_id: fresh }]);
  });

  test('removes what a run left once another model has stood for an hour, and never the one that stands', async () => {
    const ownerId = crypto.randomUUID();
    const old = crypto.randomUUID();
    await env.DB.prepare(
      `INSERT INTO recommend_runs (id, owner_id, state, finished_at) VALUES (?, ?, 'succeeded', unixepoch() - 9999)`,
    )
      .bind(old, ownerId)
      .run();
    const { runId, prefix } = await publishTasteModel(ownerId, { v: 0 });
    await env.DB.prepare(
      `INSERT INTO recommend_runs (id, owner_id, state, finished_at) VALUES (?, ?, 'succeeded', unixepoch() - 9999)`,
    )
      .bind(runId, ownerId)
      .run();
    await env.MEDIA.put(`${recommendPrefix(old)}model-1/model.json`, '{}');
    const isThere = async (key: string) => (await env.MEDIA.head(key)) !== null;
    await tendRecommendations(env as unknown as Env, log);
    expect(await isThere(`${recommendPrefix(old)}model-1/model.json`)).toBe(true);
    await env.DB.prepare('UPDATE recommend_models SET published_at = unixepoch() - 4000 WHERE owner_id = ?')
      .bind(ownerId)
      .run();
    await tendRecommendations(env as unknown as Env, log);
    expect(await isThere(`${recommendPrefix(old)}model-1/model.json`)).toBe(false);
    expect(await isThere(`${prefix}model.json`)).toBe(true);
  });
});
