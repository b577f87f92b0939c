// The numbers of /metrics that people ask for, as JSON.
import { SECOND_MS } from '../../shared/limits.ts';
import type { Series } from '../../shared/metrics.ts';
import { readSeriesKey, seriesKey } from '../../shared/metrics.ts';
import type { Stats } from '../../shared/metrics-api.ts';
import type { WORKER_METRICS } from '../../shared/metrics-worker.ts';
import type { MetricsReading } from './metrics-store.ts';

type Name = keyof typeof WORKER_METRICS;

/** @param state of D1, see state-metrics.ts */
export function statsOf(
  reading: MetricsReading,
  state: readonly Series[],
  mean: { processing: number; queue: number } | undefined,
  nowMs: number,
): Stats {
  const all = [...reading.series, ...state];
  const one = (name: Name, ...values: string[]) =>
    all.find(([key]) => key === seriesKey(name, values))?.[1][0] ?? 0;
  const sum = (name: Name, isCounted: (values: string[]) => boolean = () => true) =>
    all.reduce((total, [key, numbers]) => {
      const series = readSeriesKey(key);
      return series.name === name && isCounted(series.values) ? total + numbers[0]! : total;
    }, 0);
  const reads = sum('reelay_media_reads_total');
  const missed = one('reelay_media_reads_total', 'storage');
  return {
    uptimeSeconds: Math.max(0, Math.floor((nowMs - reading.sinceMs) / SECOND_MS)),
    bytesSent: one('reelay_media_bytes_total'),
    activeSessions: one('reelay_active_sessions'),
    throughputBps: Math.round(reading.throughputBps),
    jobsProcessed: one('reelay_jobs_ended_total', 'succeeded'),
    jobsFailed: one('reelay_jobs_ended_total', 'failed'),
    jobsCancelled: one('reelay_jobs_ended_total', 'cancelled'),
    ...(mean && { meanProcessingSeconds: mean.processing, meanQueueSeconds: mean.queue }),
    jobsQueued: one('reelay_jobs', 'queued'),
    jobsRunning: one('reelay_jobs', 'running'),
    tasksReady: one('reelay_tasks', 'ready'),
    tasksRunning: one('reelay_tasks', 'running'),
    queueAgeSeconds: one('reelay_queue_age_seconds'),
    leaseExpiries: one('reelay_lease_expiries_total'),
    requests: sum('reelay_http_requests_total'),
    serverErrors: sum('reelay_http_requests_total', ([, , status = '']) => status >= '500'),
    uploadedBytes: sum('reelay_upload_bytes_total'),
    ...(reads > 0 && { cacheHitRatio: (reads - missed) / reads }),
    webhooksDelivered: one('reelay_webhook_attempts_total', 'delivered'),
    webhooksFailed: sum('reelay_webhook_attempts_total', ([s]) => s === 'exhausted' || s === 'disabled'),
    webhooksPending: one('reelay_webhooks_pending'),
    outboxRows: sum('reelay_outbox_rows'),
    watchEventsReceived: sum('reelay_watch_received_total'),
    // What came twice counts once, and what was clipped counts.
    watchEventsLost:
      sum('reelay_watch_losses_total', ([reason]) => reason !== 'repeated') +
      sum('reelay_watch_dropped_total', ([reason]) => reason !== 'clipped'),
  };
}
