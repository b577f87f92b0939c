// What is told of watching: how much of a video is watched, and how well it plays.
import { z } from 'zod';
import { DAY_SECONDS } from './limits.ts';

const Instant = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);
const MAX_RANGE_DAYS = 366;
const DEFAULT_RANGE_DAYS = 28;

export const AnalyticsRange = z.object({ from: Instant.optional(), to: Instant.optional() });
export type AnalyticsRange = z.infer<typeof AnalyticsRange>;
export const QoeGroup = z.enum(['video', 'rung', 'country', 'app', 'hour']);
export type QoeGroup = z.infer<typeof QoeGroup>;
export const QoeQuery = AnalyticsRange.extend({ groupBy: QoeGroup.optional() });
export type QoeQuery = z.infer<typeof QoeQuery>;

/** Unix seconds, `to` excluded. */
export type Range = { fromSeconds: number; toSeconds: number };

/** The last 28 days where nothing is said; undefined where it ends before it begins, or is longer than a year. */
export function rangeOf({ from, to }: AnalyticsRange, nowSeconds: number): Range | undefined {
  const toSeconds = to === undefined ? nowSeconds + 1 : Math.ceil(Date.parse(to) / 1000);
  const fromSeconds =
    from === undefined ? toSeconds - DEFAULT_RANGE_DAYS * DAY_SECONDS : Math.floor(Date.parse(from) / 1000);
  const lengthSeconds = toSeconds - fromSeconds;
  return lengthSeconds > 0 && lengthSeconds <= MAX_RANGE_DAYS * DAY_SECONDS
    ? { fromSeconds, toSeconds }
    : undefined;
}

export const QualityOfExperience = z.object({
  sessions: z.int(),
  /** Of those whose start-up is known; absent where it is of none. */
  startup: z.object({ sessions: z.int(), p50Ms: z.int(), p95Ms: z.int(), score: z.number() }).optional(),
  /** Time spent waiting in the middle, as a share of watching and waiting. */
  rebufferRatio: z.number().optional(),
  stalls: z.int(),
  switches: z.int(),
  /** Share of sessions with an `error` event. */
  errorRate: z.number().optional(),
  averageBitrateKbps: z.number().optional(),
  averageThroughputKbps: z.number().optional(),
  averageBufferMs: z.number().optional(),
});
export type QualityOfExperience = z.infer<typeof QualityOfExperience>;

export const VideoAnalytics = z.object({
  videoId: z.string(),
  from: z.string(),
  to: z.string(),
  /** Sessions of which ten seconds were watched. */
  views: z.int(),
  sessions: z.int(),
  uniqueViewers: z.int(),
  watchSeconds: z.number(),
  averageWatchSeconds: z.number(),
  /** Mean share of the video that a session saw at least once. */
  averageFraction: z.number(),
  /** Share of views that came to the end. */
  completionRate: z.number(),
  /** For each hundredth of the video, the share of sessions that played it. */
  dropOff: z.array(z.number()),
  /** For each hundredth, how often those who played it did so; where it is 1, once. */
  plays: z.array(z.number()),
  rewatchPeaks: z.array(z.object({ fromSeconds: z.number(), toSeconds: z.number(), plays: z.number() })),
  qoe: QualityOfExperience,
});
export type VideoAnalytics = z.infer<typeof VideoAnalytics>;

export const QoeAnswer = z.object({
  from: z.string(),
  to: z.string(),
  groupBy: QoeGroup.optional(),
  total: QualityOfExperience,
  /** The largest first, at most a hundred; hours by their beginning, the latest 744 that anybody played in. */
  groups: z.array(QualityOfExperience.extend({ key: z.string() })),
});
export type QoeAnswer = z.infer<typeof QoeAnswer>;
