// How much of something may happen in a time: `burst` at once, `perSecond` in the long run.

export type TokenBucket = { tokens: number; atMs: number };
export type Rate = { burst: number; perSecond: number };

export function fullBucket({ burst }: Rate, nowMs: number): TokenBucket {
  return { tokens: burst, atMs: nowMs };
}

/** The bucket after one more; undefined where it has none left. */
export function taken(bucket: TokenBucket, rate: Rate, nowMs: number): TokenBucket | undefined {
  const elapsedSeconds = Math.max(0, nowMs - bucket.atMs) / 1000;
  const tokens = Math.min(rate.burst, bucket.tokens + elapsedSeconds * rate.perSecond);
  return tokens < 1 ? undefined : { tokens: tokens - 1, atMs: nowMs };
}
