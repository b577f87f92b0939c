// What runs every minute, or with every deletion, must not read whole tables: D1 bills by the row.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { raiseAlerts } from '../../worker/analytics/alerts.ts';
import { configOf, type Env } from '../../worker/env.ts';
import { claimTask } from '../../worker/jobs/claim.ts';
import { latestJobsOf, listedJobs } from '../../worker/jobs/store.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import { pruneDevices } from '../../worker/playback/device-store.ts';
import { countViews, popularPrefixes } from '../../worker/playback/popularity.ts';
import { pruneSessions, revokedSessions } from '../../worker/playback/store.ts';
import { tendRecommendations } from '../../worker/recommend/chores.ts';
import { claimRun } from '../../worker/recommend/run-store.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import { listVideos } from '../../worker/videos/store.ts';
import { pruneWatch } from '../../worker/watch/prune.ts';
import { sweepWebhooks } from '../../worker/webhooks/deliver.ts';
import { pruneDeliveries } from '../../worker/webhooks/delivery-store.ts';
import { clientOf } from './api-client.ts';
import { newJob } from './ledger-fixtures.ts';
import { uploaded } from './upload-steps.ts';
import { createWebhook, happen } from './webhook-steps.ts';

const log = createLog();

describe('the cron', () => {
  it('finds its work and what it deletes by indexes alone', async () => {
    const client = await clientOf();
    const { videoId } = await uploaded(client);
    await env.DB.prepare(`UPDATE videos SET state = 'deleting' WHERE id = ?`).bind(videoId).run();
    const statements = new Set<string>();
    const DB = {
      prepare: (sql: string) => {
        statements.add(sql);
        return env.DB.prepare(sql);
      },
      batch: (batch: D1PreparedStatement[]) => env.DB.batch(batch),
    };
    const watched = { ...env, DB } as unknown as Env;
    await sweep(watched, log);
    await expireUploads(watched, log);
    await purgeDeleted(watched, log);
    await createWebhook(await clientOf('admin', client.ownerId));
    await happen(client.ownerId, [['200']]);
    await sweepWebhooks(watched, log);
    await pruneDeliveries(watched.DB);
    await pruneSessions(watched.DB);
    await pruneDevices(watched.DB);
    await revokedSessions(watched.DB);
    await countViews(watched.DB);
    await pruneWatch(watched.DB);
    await raiseAlerts(watched.DB);
    await popularPrefixes(watched.DB);
    await tendRecommendations(watched, log);
    await claimRun(watched.DB, 'w', 60);
    const request = { workerId: 'w', profile: 'p', encoders: ['libx264' as const] };
    await claimTask(watched.DB, request, configOf(watched));
    await newJob();
    // One whom the rules keep from every candidate reads what is ready, and that alone.
    await claimTask(watched.DB, { ...request, encoders: [] }, configOf(watched));
    await listedJobs(watched.DB, client.ownerId, { limit: 50 });
    const rows = await listVideos(watched.DB, client.ownerId, { limit: 50 });
    await latestJobsOf(
      watched.DB,
      rows.map(({ id }) => id),
    );

    expect(statements.size).toBeGreaterThan(15);
    const scans = [];
    const partial = await partialIndexes();
    for (const sql of statements) {
      for (const step of await planOf(sql)) {
        if (readsWholeTable(step, sql, partial)) scans.push(`${step}: ${sql}`);
      }
    }
    expect(scans).toEqual([]);
  });

  it.each([
    ['SCAN uploads', 'SELECT id FROM uploads WHERE filename = ?'],
    ['SCAN u', 'SELECT u.id FROM uploads u WHERE u.filename = ?'],
    ['SCAN videos USING INDEX', 'SELECT * FROM videos ORDER BY owner_id, created_at DESC, id DESC'],
  ])('would be found out: %s', async (step, sql) => {
    const [found = ''] = await planOf(sql);
    expect(found).toContain(step);
    expect(readsWholeTable(found, sql, await partialIndexes())).toBe(true);
  });
});

async function planOf(sql: string): Promise<string[]> {
  // Placeholders need no value to be planned; D1 wants one each.
  const unbound = sql.replace(/\?\d*/g, 'NULL');
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${unbound}`).all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

const TABLES =
  'videos|uploads|upload_parts|part_claims|jobs|tasks|sessions|viewer_devices|contents|outbox|growths|stale_generations|purged_prefixes|webhook_endpoints|webhook_deliveries|recommend_runs|recommend_models|viewers|viewer_rankings';

/** A scan of a partial index, or of a list handed in as JSON, reads only what is wanted. */
function readsWholeTable(step: string, sql: string, partial: ReadonlySet<string>): boolean {
  const [, name = '', index] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?$/.exec(step) ?? [];
  const isTable = new RegExp(`^(${TABLES})$`).test(name);
  const isAlias = new RegExp(`\\b(${TABLES}) (AS )?${name}\\b`, 'i').test(sql);
  return name !== '' && (isTable || isAlias) && !(index !== undefined && partial.has(index));
}

async function partialIndexes(): Promise<Set<string>> {
  const { results } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'`,
  ).all<{ name: string }>();
  return new Set(results.map(({ name }) => name));
}
