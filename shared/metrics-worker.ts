// What the Worker tells at /metrics. A metric is a row; nothing else names one.
import type { MetricTable } from './metrics.ts';

/** Up to a request that takes in a part of 95 MiB. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const DELIVERY_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

/** Counted by every isolate for itself and added up every few seconds (worker/ops/metrics-store.ts). */
export const COUNTED_METRICS = {
  reelay_http_requests_total: {
    type: 'counter',
    help: 'Requests answered, by the pattern of their route.',
    labels: ['method', 'route', 'status'],
  },
  reelay_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time to the first byte of the answer. The clock of a Worker stands still while it computes: this is waiting.',
    labels: ['method', 'route'],
    buckets: REQUEST_SECONDS,
  },
  reelay_http_errors_total: {
    type: 'counter',
    help: 'Requests refused or failed, by the code of the problem.',
    labels: ['code'],
  },
  reelay_media_bytes_total: {
    type: 'counter',
    help: 'Bytes of media answered with or sent over a WebSocket; whoever hangs up early counts as if they had stayed.',
    labels: [],
  },
  reelay_media_reads_total: {
    type: 'counter',
    help: 'Where media came from: this isolate (memory), the edge cache (edge) or R2 (storage).',
    labels: ['from'],
  },
  reelay_uploads_total: {
    type: 'counter',
    help: 'Uploads that ended.',
    labels: ['method', 'outcome'],
  },
  reelay_upload_bytes_total: {
    type: 'counter',
    help: 'Bytes of uploads and imports that became a source.',
    labels: ['method'],
  },
  reelay_claims_total: {
    type: 'counter',
    help: 'Asks of transcoders for work: with a task of a kind, or none.',
    labels: ['kind'],
  },
  reelay_commits_total: {
    type: 'counter',
    help: 'Segments and imported parts that became durable.',
    labels: ['kind'],
  },
  reelay_task_attempts_total: {
    type: 'counter',
    help: 'Attempts at tasks that ended: done, released, lapsed, restarted, or failed as media, resources or retryable.',
    labels: ['kind', 'outcome'],
  },
  reelay_lease_expiries_total: {
    type: 'counter',
    help: 'Leases nobody renewed, taken back.',
    labels: [],
  },
  reelay_dead_tickets_total: {
    type: 'counter',
    help: 'Tickets nobody acknowledged in time and in turn. Their jobs go on; transcoders are missing or in trouble.',
    labels: [],
  },
  reelay_webhook_attempts_total: {
    type: 'counter',
    help: 'Attempts to deliver a webhook: delivered, pending (another follows), exhausted or disabled.',
    labels: ['state'],
  },
  reelay_webhook_attempt_duration_seconds: {
    type: 'histogram',
    help: 'How long receivers of webhooks take.',
    labels: [],
    buckets: DELIVERY_SECONDS,
  },
  reelay_watch_received_total: {
    type: 'counter',
    help: 'Watch events, and records of players about themselves (cmcd), taken from the queue.',
    labels: ['kind'],
  },
  reelay_watch_dropped_total: {
    type: 'counter',
    help: 'Watch events refused as they came (malformed, negative, enormous, future, late) or cut down (clipped), and what the queue gave up (undelivered).',
    labels: ['reason'],
  },
  reelay_swept_total: {
    type: 'counter',
    help: 'What the cron cleared away or set going again.',
    labels: ['what'],
  },
  reelay_quota_returned_bytes_total: {
    type: 'counter',
    help: 'Bytes given back to quotas by uploads that ran out of time.',
    labels: [],
  },
  reelay_cron_runs_total: {
    type: 'counter',
    help: 'Runs of the cron; a run failed when one of its chores did.',
    labels: ['outcome'],
  },
} as const satisfies MetricTable;

/** Read from D1 when they are asked for (worker/ops/state-metrics.ts). */
export const STATE_METRICS = {
  reelay_tasks: {
    type: 'gauge',
    help: 'Tasks that are not over; 10000 stands for that many or more.',
    labels: ['state'],
  },
  reelay_queue_age_seconds: {
    type: 'gauge',
    help: 'How long the oldest task that may be claimed has been waiting.',
    labels: [],
  },
  reelay_jobs: {
    type: 'gauge',
    help: 'Jobs that are not over; 10000 stands for that many or more.',
    labels: ['state'],
  },
  reelay_jobs_ended_total: {
    type: 'counter',
    help: 'Jobs that ended.',
    labels: ['state'],
  },
  reelay_job_seconds_total: {
    type: 'counter',
    help: 'Seconds that ended jobs took from their first claim.',
    labels: ['state'],
  },
  reelay_job_queue_seconds_total: {
    type: 'counter',
    help: 'Seconds that ended jobs waited for their first claim.',
    labels: ['state'],
  },
  reelay_outbox_rows: {
    type: 'gauge',
    help: 'Side effects not yet told, by topic; 10000 stands for that many or more.',
    labels: ['topic'],
  },
  reelay_outbox_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest event nobody has made deliveries of.',
    labels: [],
  },
  reelay_webhooks_pending: {
    type: 'gauge',
    help: 'Deliveries that are due, waiting or under way; 10000 stands for that many or more.',
    labels: [],
  },
  reelay_uploads_open: {
    type: 'gauge',
    help: 'Uploads that are receiving; 10000 stands for that many or more.',
    labels: [],
  },
  reelay_upload_orphans: {
    type: 'gauge',
    help: 'Uploads that ended badly and may still have bytes in R2; 10000 stands for that many or more.',
    labels: [],
  },
  reelay_active_sessions: {
    type: 'gauge',
    help: 'Play sessions begun or heard of in the last 90 seconds; 10000 stands for that many or more.',
    labels: [],
  },
  reelay_watch_losses_total: {
    type: 'counter',
    help: 'Watch events and records that were not counted, by reason.',
    labels: ['reason'],
  },
} as const satisfies MetricTable;

export const WORKER_METRICS = { ...COUNTED_METRICS, ...STATE_METRICS };
