// What runs every minute, or with every deletion, must not read whole tables: D1 bills by the row.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { raiseAlerts } from '../../worker/analytics/alerts.ts';
import type { Env } from '../../worker/env.ts';
import { sweep } from '../../worker/jobs/sweeper.ts';
import { pruneDevices } from '../../worker/playback/device-store.ts';
import { countViews, popularPrefixes } from '../../worker/playback/popularity.ts';
import { pruneSessions, revokedSessions } from '../../worker/playback/store.ts';
import { expireUploads } from '../../worker/uploads/expire.ts';
import { purgeDeleted } from '../../worker/videos/delete.ts';
import { pruneWatch } from '../../worker/watch/prune.ts';
import { sweepWebhooks } from '../../worker/webhooks/deliver.ts';
import { pruneDeliveries } from '../../worker/webhooks/delivery-store.ts';
import { clientOf } from './api-client.ts';
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

    expect(statements.size).toBeGreaterThan(15);
    const scans = [];
    for (const sql of statements) {
      for (const step of await planOf(sql)) if (readsWholeTable(step)) scans.push(`${step}: ${sql}`);
    }
    expect(scans).toEqual([]);
  });

  it('would be found out', async () => {
    const steps = await planOf('SELECT id FROM uploads WHERE filename = ?');
    expect(steps.filter(readsWholeTable)).toEqual(['SCAN uploads']);
  });
});

async function planOf(sql: string): Promise<string[]> {
  // Placeholders need no value to be planned; D1 wants one each.
  const unbound = sql.replace(/\?\d*/g, 'NULL');
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${unbound}`).all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

/** A scan of a partial index, or of a list handed in as JSON, reads only what is wanted. */
function readsWholeTable(step: string): boolean {
  return /^SCAN (videos|uploads|upload_parts|part_claims|jobs|tasks|sessions|viewer_devices|contents|outbox|webhook_endpoints|webhook_deliveries|watch_sessions|watch_days|qoe_sessions|qoe_hours)$/.test(
    step,
  );
}
