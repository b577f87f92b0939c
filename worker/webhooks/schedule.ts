// When a delivery is tried again.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
import { DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS } from '../../shared/limits.ts';

/** Waits after the first, second, … attempt: ten attempts in about 75 hours. */
export const RETRY_DELAYS_SECONDS: readonly number[] = [
  5,
  5 * MINUTE_SECONDS,
  30 * MINUTE_SECONDS,
  ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_SECONDS),
];

/** Part of a wait it may be longer or shorter by, so that what failed together does not come back together. */
export const JITTER = 0.1;
const MAX_RETRY_AFTER_SECONDS = DAY_SECONDS;

/**
 * Whole seconds from the end of attempt number `tries` to the next; undefined after the last.
 *
 * @param random from 0 to 1
 */
export function retryDelaySeconds(
  tries: number,
  { retryAfterSeconds = 0, scale = 1, random = Math.random() }: RetryChoices = {},
): number | undefined {
  const delay = RETRY_DELAYS_SECONDS[tries - 1];
  if (delay === undefined) return undefined;
  const jittered = delay * (1 + JITTER * (2 * random - 1));
  return Math.round(scale * Math.max(jittered, Math.min(retryAfterSeconds, MAX_RETRY_AFTER_SECONDS)));
}

export type RetryChoices = { retryAfterSeconds?: number | undefined; scale?: number; random?: number };

/** RFC 9110 §10.2.3: seconds or a date. */
export function retryAfterOf(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, Math.ceil((atMs - nowMs) / 1000));
}
