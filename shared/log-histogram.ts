// Durations as counts on a logarithmic scale: sums of such rows are exact, and a percentile of them is off by no
// more than the width of a bucket.

/** Bucket i holds from FIRST_MS × RATIO^(i-1) up to FIRST_MS × RATIO^i; the first all below, the last all above. */
const FIRST_MS = 50;
const RATIO = 1.12;
/** 50 ms × 1.12^62 is 56 seconds. */
export const HISTOGRAM_BUCKETS = 64;

export function bucketOf(durationMs: number): number {
  if (durationMs < FIRST_MS) return 0;
  const bucket = 1 + Math.floor(Math.log(durationMs / FIRST_MS) / Math.log(RATIO));
  return Math.min(HISTOGRAM_BUCKETS - 1, bucket);
}

export function emptyHistogram(): number[] {
  return new Array<number>(HISTOGRAM_BUCKETS).fill(0);
}

/** Milliseconds below which `share` (0..1) of all lie; undefined of nothing. */
export function percentileMs(counts: ArrayLike<number>, share: number): number | undefined {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket]!;
  if (total <= 0) return undefined;
  let below = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket]!;
    if (count > 0 && below + count >= share * total) {
      // Within its bucket all are taken to lie evenly.
      const upperMs = FIRST_MS * RATIO ** bucket;
      const lowerMs = bucket === 0 ? 0 : upperMs / RATIO;
      return Math.round(lowerMs + ((share * total - below) / count) * (upperMs - lowerMs));
    }
    below += count;
  }
  return undefined;
}

/** The score Mux gives a start-up time, 0 to 100. https://www.mux.com/docs/guides/data-startup-time-metric */
export function startupScore(startupMs: number): number {
  return Math.round((100 * 8) / (8 + startupMs / 1000));
}

/** The mean score of all that a histogram holds, each taken to lie in the middle of its bucket. */
export function scoreOf(counts: readonly number[]): number {
  let total = 0;
  let scores = 0;
  for (const [bucket, count] of counts.entries()) {
    total += count;
    scores += count * startupScore((FIRST_MS * RATIO ** bucket * (1 + 1 / RATIO)) / 2);
  }
  return total > 0 ? Math.round(scores / total) : 0;
}
