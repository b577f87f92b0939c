// The Worker's entry: requests, the cron, and the Durable Objects the platform looks for here.
import { createLog } from '../shared/log.ts';
import { raiseAlerts } from './analytics/alerts.ts';
import { createApp } from './app.ts';
import type { Env } from './env.ts';
import { pruneKeys } from './http/idempotency-store.ts';
import { flushMeter, meter } from './http/meter.ts';
import { buryTickets, DEAD_TICKET_QUEUE } from './jobs/dead-tickets.ts';
import { sweep } from './jobs/sweeper.ts';
import { pruneDevices } from './playback/device-store.ts';
import { countViews } from './playback/popularity.ts';
import { syncPublicBucket } from './playback/public-copies.ts';
import { pruneSessions } from './playback/store.ts';
import { tendRecommendations } from './recommend/chores.ts';
import { expireUploads } from './uploads/expire.ts';
import { pruneUploadDays } from './uploads/quota.ts';
import { purgeDeleted } from './videos/delete.ts';
import { consumeWatch } from './watch/consumer.ts';
import { pruneWatch } from './watch/prune.ts';
import { sweepWebhooks } from './webhooks/deliver.ts';
import { pruneDeliveries } from './webhooks/delivery-store.ts';

export { ProgressRoom } from './jobs/progress-room.ts';
export { Transcoder } from './jobs/transcoder-container.ts';
export { MetricsStore } from './ops/metrics-store.ts';
export { PrewarmRegion } from './playback/prewarm-region.ts';
export { WatchRoom } from './rooms/watch-room.ts';
export { TusUpload } from './uploads/tus-upload.ts';

const app = createApp();

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    const log = createLog({ queue: batch.queue });
    if (batch.queue === DEAD_TICKET_QUEUE) buryTickets(batch, log);
    else await consumeWatch(batch, env, log);
    await flushMeter(env, log);
  },

  async scheduled(_controller, env) {
    const log = createLog({ cron: crypto.randomUUID() });
    const chores = [
      ...[sweep(env, log), expireUploads(env, log), purgeDeleted(env, log), sweepWebhooks(env, log)],
      syncPublicBucket(env, log),
      tendRecommendations(env, log),
      ...[
        pruneKeys(env.DB),
        pruneUploadDays(env.DB),
        pruneSessions(env.DB),
        pruneDevices(env.DB),
        countViews(env.DB),
        pruneDeliveries(env.DB),
        pruneWatch(env.DB),
        raiseAlerts(env.DB),
      ],
    ];
    const results = await Promise.allSettled(chores);
    // One chore's failure does not keep the others from their work, but the run has failed.
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    meter.count('reelay_cron_runs_total', { outcome: failures.length > 0 ? 'failed' : 'ok' });
    await flushMeter(env, log);
    if (failures.length > 0) throw new AggregateError(failures, 'the cron failed');
  },
} satisfies ExportedHandler<Env>;
