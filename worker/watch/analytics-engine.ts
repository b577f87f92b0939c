// The optional copy for Workers Analytics Engine: one point per session and batch.
import type { Env } from '../env.ts';
import type { Heard } from './consumer.ts';

/** https://developers.cloudflare.com/analytics/analytics-engine/limits/ */
const MAX_POINTS_PER_INVOCATION = 250;

export function copyToAnalytics({ WATCH_EVENTS }: Env, heard: ReadonlyMap<string, Heard>): void {
  if (!WATCH_EVENTS) return;
  for (const [sessionId, { app, events, records }] of [...heard].slice(0, MAX_POINTS_PER_INVOCATION)) {
    WATCH_EVENTS.writeDataPoint({
      indexes: [sessionId],
      blobs: [app, ...events.slice(0, 10).map(({ type }) => type)],
      doubles: [events.length, records.length, Math.max(0, ...events.map((event) => event.positionSeconds))],
    });
  }
}
