// What D1 knows, read when it is asked for, by indexes alone and never more than MAX_ROWS of them a number: D1 bills
// by the row, and whoever scrapes does so every few seconds. test/worker/metrics-plans.test.ts holds the plans.
import { type Series, seriesKey } from '../../shared/metrics.ts';
import type { STATE_METRICS } from '../../shared/metrics-worker.ts';

const MAX_ROWS = 10_000;
/** A session nobody has heard of for this long is not being watched. */
const ACTIVE_SECONDS = 90;

type Query = {
  name: keyof typeof STATE_METRICS;
  /** Of the one series it makes; absent where the first column is the label. */
  labels?: readonly string[];
  sql: string;
};

/** `rows` up to the limit. */
const counted = (rows: string) => `SELECT count(*) FROM (SELECT 1 FROM ${rows} LIMIT ${MAX_ROWS})`;

const OPEN_JOBS = `jobs INDEXED BY jobs_open WHERE state IN ('queued', 'running')`;

export const STATE_QUERIES: readonly Query[] = [
  {
    name: 'reelay_tasks',
    labels: ['ready'],
    sql: counted(`tasks INDEXED BY tasks_ready WHERE state = 'ready'`),
  },
  {
    name: 'reelay_tasks',
    labels: ['running'],
    sql: counted(`tasks INDEXED BY tasks_running WHERE state = 'running'`),
  },
  {
    name: 'reelay_tasks',
    labels: ['blocked'],
    sql: counted(`tasks INDEXED BY tasks_blocked WHERE state = 'blocked'`),
  },
  {
    name: 'reelay_queue_age_seconds',
    labels: [],
    sql: `SELECT coalesce(unixepoch() - min(not_before), 0) FROM tasks INDEXED BY tasks_ready
          WHERE state = 'ready' AND not_before <= unixepoch()`,
  },
  { name: 'reelay_jobs', labels: ['queued'], sql: counted(`${OPEN_JOBS} AND state = 'queued'`) },
  { name: 'reelay_jobs', labels: ['running'], sql: counted(`${OPEN_JOBS} AND state = 'running'`) },
  { name: 'reelay_jobs_ended_total', sql: 'SELECT state, jobs FROM job_totals' },
  { name: 'reelay_job_seconds_total', sql: 'SELECT state, seconds FROM job_totals' },
  { name: 'reelay_job_queue_seconds_total', sql: 'SELECT state, queue_seconds FROM job_totals' },
  {
    name: 'reelay_outbox_rows',
    labels: ['event'],
    sql: counted(`outbox INDEXED BY outbox_events WHERE topic = 'event'`),
  },
  {
    name: 'reelay_outbox_rows',
    labels: ['ticket'],
    sql: `SELECT count(*) FROM (SELECT topic FROM outbox INDEXED BY outbox_due WHERE next_at > 0 LIMIT ${MAX_ROWS})
          WHERE topic = 'ticket'`,
  },
  {
    name: 'reelay_outbox_age_seconds',
    labels: [],
    sql: `SELECT coalesce(unixepoch() - min(created_at), 0) FROM outbox INDEXED BY outbox_events WHERE topic = 'event'`,
  },
  {
    name: 'reelay_webhooks_pending',
    labels: [],
    sql: counted(
      `webhook_deliveries INDEXED BY webhook_deliveries_open WHERE state IN ('pending', 'sending')`,
    ),
  },
  {
    name: 'reelay_uploads_open',
    labels: [],
    sql: counted(`uploads INDEXED BY uploads_open WHERE state IN ('created', 'receiving')`),
  },
  {
    name: 'reelay_upload_orphans',
    labels: [],
    sql: counted(`uploads INDEXED BY uploads_with_leftovers WHERE has_leftovers = 1`),
  },
  {
    name: 'reelay_active_sessions',
    labels: [],
    sql: `SELECT count(*) FROM (
            SELECT id FROM (SELECT id FROM sessions INDEXED BY sessions_by_begin
                            WHERE created_at > unixepoch() - ${ACTIVE_SECONDS} LIMIT ${MAX_ROWS})
            UNION
            SELECT session_id FROM (SELECT session_id FROM qoe_sessions INDEXED BY qoe_sessions_by_age
                                    WHERE heard_at > unixepoch() - ${ACTIVE_SECONDS} LIMIT ${MAX_ROWS}))`,
  },
  { name: 'reelay_watch_losses_total', sql: 'SELECT reason, count FROM watch_losses' },
];

/** One round trip. */
export async function stateSeries(db: D1Database): Promise<Series[]> {
  const answers = await db.batch(STATE_QUERIES.map(({ sql }) => db.prepare(sql)));
  return STATE_QUERIES.flatMap(({ name, labels }, index) =>
    answers[index]!.results.map((row): Series => {
      const columns = Object.values(row as Record<string, string | number>);
      const values = labels ?? columns.slice(0, -1).map(String);
      return [seriesKey(name, values), [Number(columns.at(-1))]];
    }),
  );
}

/** Jobs that succeeded took this long, and had waited this long before; see job_totals. */
export async function meanJobSeconds(
  db: D1Database,
): Promise<{ processing: number; queue: number } | undefined> {
  const row = await db
    .prepare(
      `SELECT seconds * 1.0 / begun AS processing, queue_seconds * 1.0 / begun AS queue
       FROM job_totals WHERE state = 'succeeded' AND begun > 0`,
    )
    .first<{ processing: number; queue: number }>();
  return row ?? undefined;
}
