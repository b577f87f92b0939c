// What a batch adds to a session's quality of experience, as rows of sums. A session and its start-up count in the
// hour it was first heard of, with the first rung and app known of it; each batch takes out what it was counted as
// before, so a player's own measurement replaces an estimate.
import { estimate, NO_SUMS, type QoeSums } from '../../shared/cmcd-estimate.ts';
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { bucketOf, emptyHistogram } from '../../shared/log-histogram.ts';
import type { WatchEvent } from '../../shared/watch-api.ts';
import type { Heard } from './consumer.ts';
import type { HourKey, HourWrite, KnownSession, StoredQoe } from './store.ts';

export type Hours = Map<string, HourWrite>;

/** Nothing where the batch has nothing to say of how the session plays. */
export function qoeOf(
  session: KnownSession,
  said: Heard,
  fresh: readonly WatchEvent[],
): { qoe: StoredQoe; hours: HourWrite[]; late: number } | undefined {
  const measuredMs = fresh.findLast(
    ({ type, startupMs }) => type === 'started' && startupMs !== undefined,
  )?.startupMs;
  const hasFailed = fresh.some(({ type }) => type === 'error');
  const before = session.qoe;
  const isFirst = before === undefined && fresh.length > 0;
  if (said.records.length === 0 && measuredMs === undefined && !hasFailed && !isFirst) return undefined;

  const { state, sums } = estimate(before?.state ?? undefined, said.records, session.durationSeconds * 1000);
  const isMeasured = measuredMs !== undefined || (before?.isMeasured ?? false);
  const estimatedMs = isMeasured ? undefined : state?.startupMs;
  const qoe: StoredQoe = {
    hour: before?.hour ?? Math.floor(Date.now() / SECOND_MS / HOUR_SECONDS),
    rung: before?.rung || (state?.rung ?? ''),
    app: before?.app || said.app,
    startupMs: measuredMs === undefined ? (before?.startupMs ?? estimatedMs ?? null) : Math.round(measuredMs),
    isMeasured,
    hasFailed: hasFailed || (before?.hasFailed ?? false),
    state: state ?? null,
  };
  const hours = [
    row(keyOf(session, qoe), countedAs(qoe, 1)),
    ...(before ? [row(keyOf(session, before), countedAs(before, -1))] : []),
    ...(sums.requests > 0 ? [row(keyOf(session, { ...qoe, rung: state?.rung ?? '' }), { sums })] : []),
  ];
  return { qoe, hours, late: sums.late };
}

function keyOf(session: KnownSession, { hour, rung, app }: StoredQoe): HourKey {
  const { ownerId, videoId, country } = session;
  return { hour, rung, app, ownerId, videoId, country: country ?? '' };
}

/** What a session is in the sums of its row, or takes out of them. */
function countedAs({ startupMs, hasFailed }: StoredQoe, sign: 1 | -1): Partial<HourWrite> {
  const startups = emptyHistogram();
  if (startupMs !== null) startups[bucketOf(startupMs)] = sign;
  return { sessions: sign, failed: hasFailed ? sign : 0, startups };
}

function row(key: HourKey, values: Partial<HourWrite>): HourWrite {
  return { ...key, sessions: 0, failed: 0, startups: emptyHistogram(), sums: NO_SUMS, ...values };
}

export function addHour(hours: Hours, write: HourWrite): void {
  const key = [write.hour, write.videoId, write.rung, write.country, write.app].join('\n');
  const sum = hours.get(key);
  if (!sum) {
    hours.set(key, write);
    return;
  }
  sum.sessions += write.sessions;
  sum.failed += write.failed;
  sum.startups = sum.startups.map((count, bucket) => count + write.startups[bucket]!);
  const sums: QoeSums = { ...sum.sums };
  for (const name of Object.keys(sums) as (keyof QoeSums)[]) sums[name] += write.sums[name];
  sum.sums = sums;
}
