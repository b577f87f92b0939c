// Quality of experience out of the sums per hour: of an owner or of one video, whole or by one dimension.
import type { QoeGroup, QualityOfExperience, Range } from '../../shared/analytics-api.ts';
import { HOUR_SECONDS } from '../../shared/limits.ts';
import { emptyHistogram, percentileMs, scoreOf } from '../../shared/log-histogram.ts';

export type QoeAbout = { ownerId: string; videoId?: string };

export type QoeTotals = {
  key: string;
  sessions: number;
  failed: number;
  playMs: number;
  stallMs: number;
  stalls: number;
  switches: number;
  bitrateKbps: number | null;
  throughputKbps: number | null;
  bufferMs: number | null;
  startups: number[];
};

const COLUMN_OF: Record<QoeGroup, string> = {
  video: 'video_id',
  rung: 'rung',
  country: 'country',
  app: 'app',
  hour: 'hour',
};

/** Whole hours that touch the range; groups with the most sessions first, or by time. */
export async function qoeSums(
  db: D1Database,
  about: QoeAbout,
  range: Range,
  groupBy: QoeGroup | undefined,
): Promise<QoeTotals[]> {
  const key = groupBy === undefined ? `''` : COLUMN_OF[groupBy];
  const index = about.videoId === undefined ? 'qoe_hours_by_owner' : 'qoe_hours_by_video';
  const rows = `FROM qoe_hours INDEXED BY ${index}`;
  const where = `${about.videoId === undefined ? '' : 'video_id = ?4 AND '}owner_id = ?1 AND hour >= ?2 AND hour < ?3`;
  const params = [
    about.ownerId,
    Math.floor(range.fromSeconds / HOUR_SECONDS),
    Math.ceil(range.toSeconds / HOUR_SECONDS),
    ...(about.videoId === undefined ? [] : [about.videoId]),
  ];
  const [totals, startups] = (await db.batch([
    db
      .prepare(
        `SELECT CAST(${key} AS TEXT) AS key, sum(sessions) AS sessions, sum(failed_sessions) AS failed,
           sum(play_ms) AS playMs, sum(stall_ms) AS stallMs, sum(stalls) AS stalls, sum(switches) AS switches,
           1.0 * sum(bitrate_kbps) / nullif(sum(bitrates), 0) AS bitrateKbps,
           1.0 * sum(throughput_kbps) / nullif(sum(throughputs), 0) AS throughputKbps,
           1.0 * sum(buffer_ms) / nullif(sum(buffers), 0) AS bufferMs
         ${rows} WHERE ${where} GROUP BY 1 ORDER BY ${groupBy === 'hour' ? 'hour' : 'sum(sessions) DESC'}`,
      )
      .bind(...params),
    db
      .prepare(
        `SELECT CAST(${key} AS TEXT) AS key, b.key AS bucket, sum(b.value) AS count
         ${rows}, json_each(startups) b WHERE ${where} AND b.value <> 0 GROUP BY 1, 2`,
      )
      .bind(...params),
  ])) as [D1Result<Omit<QoeTotals, 'startups'>>, D1Result<{ key: string; bucket: number; count: number }>];
  const histograms = new Map<string, number[]>();
  for (const row of startups.results) {
    const counts = histograms.get(row.key) ?? emptyHistogram();
    counts[row.bucket] = row.count;
    histograms.set(row.key, counts);
  }
  return totals.results.map((row) => ({ ...row, startups: histograms.get(row.key) ?? emptyHistogram() }));
}

/** As it is told; what cannot be told is left out. */
export function qoeOf(totals: QoeTotals | undefined): QualityOfExperience {
  if (!totals) return { sessions: 0, stalls: 0, switches: 0 };
  const { sessions, failed, playMs, stallMs, stalls, switches, startups } = totals;
  const p50Ms = percentileMs(startups, 0.5);
  const p95Ms = percentileMs(startups, 0.95);
  const known = startups.reduce((sum, count) => sum + count, 0);
  const averages = {
    averageBitrateKbps: totals.bitrateKbps,
    averageThroughputKbps: totals.throughputKbps,
    averageBufferMs: totals.bufferMs,
  };
  return {
    ...{ sessions, stalls, switches },
    ...(p50Ms !== undefined && p95Ms !== undefined
      ? { startup: { sessions: known, p50Ms, p95Ms, score: scoreOf(startups) } }
      : {}),
    ...(playMs + stallMs > 0 ? { rebufferRatio: rounded(stallMs / (playMs + stallMs), 5) } : {}),
    ...(sessions > 0 ? { errorRate: rounded(failed / sessions, 5) } : {}),
    ...Object.fromEntries(
      Object.entries(averages).flatMap(([name, value]) =>
        value === null ? [] : [[name, Math.round(value)]],
      ),
    ),
  };
}

export function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
