// Tells an owner by webhook when start-up or rebuffering is worse than viewers bear, once until it is over.
// Abandonment begins at two seconds; one percent of rebuffering costs five of watching (Krishnan, Sitaraman, IMC 2012).
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { emptyHistogram, percentileMs } from '../../shared/log-histogram.ts';
import { eventStatement } from '../webhooks/events.ts';

const MAX_STARTUP_P95_MS = 2000;
const MAX_REBUFFER_RATIO = 0.01;
/** This hour and the one before. */
const WINDOW_HOURS = 2;
/** Fewer say more of a viewer's network than of the service. */
const MIN_SESSIONS = 20;

type OwnerSums = { ownerId: string; sessions: number; playMs: number; stallMs: number };
type Verdict = {
  ownerId: string;
  metric: 'startup' | 'rebuffer';
  value: number;
  limit: number;
  sessions: number;
};

/** The cron's part. */
export async function raiseAlerts(db: D1Database): Promise<void> {
  const hour = Math.floor(Date.now() / SECOND_MS / HOUR_SECONDS);
  const verdicts = (await windowSums(db, hour)).filter(({ value, limit }) => value > limit);
  const standing = await db
    .prepare('SELECT owner_id AS ownerId, metric FROM qoe_alerts')
    .all<Pick<Verdict, 'ownerId' | 'metric'>>();
  const isBad = ({ ownerId, metric }: Pick<Verdict, 'ownerId' | 'metric'>) =>
    verdicts.some((verdict) => verdict.ownerId === ownerId && verdict.metric === metric);
  const isNew = ({ ownerId, metric }: Verdict) =>
    !standing.results.some((alert) => alert.ownerId === ownerId && alert.metric === metric);
  const statements = [
    ...standing.results
      .filter((alert) => !isBad(alert))
      .map(({ ownerId, metric }) =>
        db.prepare('DELETE FROM qoe_alerts WHERE owner_id = ? AND metric = ?').bind(ownerId, metric),
      ),
    ...verdicts.filter(isNew).flatMap((verdict) => alertStatements(db, verdict, hour)),
  ];
  if (statements.length > 0) await db.batch(statements);
}

async function windowSums(db: D1Database, hour: number): Promise<Verdict[]> {
  const where = 'hour > ? - ? AND hour <= ?';
  const params = [hour, WINDOW_HOURS, hour];
  const [totals, startups] = (await db.batch([
    db
      .prepare(
        `SELECT owner_id AS ownerId, sum(sessions) AS sessions, sum(play_ms) AS playMs, sum(stall_ms) AS stallMs
         FROM qoe_hours WHERE ${where} GROUP BY owner_id HAVING sum(sessions) >= ${MIN_SESSIONS}`,
      )
      .bind(...params),
    db
      .prepare(
        `SELECT owner_id AS ownerId, b.key AS bucket, sum(b.value) AS count
         FROM qoe_hours, json_each(startups) b WHERE ${where} AND b.value <> 0 GROUP BY 1, 2`,
      )
      .bind(...params),
  ])) as [D1Result<OwnerSums>, D1Result<{ ownerId: string; bucket: number; count: number }>];
  return totals.results.flatMap(({ ownerId, sessions, playMs, stallMs }): Verdict[] => {
    const counts = emptyHistogram();
    for (const row of startups.results) if (row.ownerId === ownerId) counts[row.bucket] = row.count;
    const known = counts.reduce((sum, count) => sum + count, 0);
    const p95Ms = known >= MIN_SESSIONS ? (percentileMs(counts, 0.95) ?? 0) : 0;
    const ratio = playMs + stallMs > 0 ? stallMs / (playMs + stallMs) : 0;
    return [
      { ownerId, metric: 'startup', value: p95Ms, limit: MAX_STARTUP_P95_MS, sessions },
      { ownerId, metric: 'rebuffer', value: ratio, limit: MAX_REBUFFER_RATIO, sessions },
    ];
  });
}

function alertStatements(db: D1Database, verdict: Verdict, hour: number): D1PreparedStatement[] {
  const { ownerId, metric, value, limit, sessions } = verdict;
  const event = {
    type: 'qoe.alert' as const,
    key: `${ownerId}_${metric}_${hour}`,
    about: { ownerId },
    data: { metric, value, limit, sessions, windowHours: WINDOW_HOURS },
  };
  return [
    db
      .prepare(
        `INSERT INTO qoe_alerts (owner_id, metric, raised_at) VALUES (?, ?, unixepoch())
         ON CONFLICT (owner_id, metric) DO NOTHING`,
      )
      .bind(ownerId, metric),
    eventStatement(db, event, {
      sql: 'EXISTS (SELECT 1 FROM qoe_alerts WHERE owner_id = ? AND metric = ?)',
      params: [ownerId, metric],
    }),
  ];
}
