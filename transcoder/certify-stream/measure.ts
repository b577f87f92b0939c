// Bitrates as players meet them, measured over the bytes of segments.
export type MeasuredSegment = { sizeBytes: number; seconds: number };

/**
 * The peak segment bit rate of RFC 8216 §4.3.4.2: of any run of segments that lasts between half of and one and a
 * half target durations. Where none does, the busiest segment.
 */
export function peakBps(segments: readonly (MeasuredSegment | undefined)[], targetSeconds: number): number {
  let peak = 0;
  let busiest = 0;
  for (let first = 0; first < segments.length; first++) {
    let bits = 0;
    let seconds = 0;
    for (const segment of segments.slice(first)) {
      if (!segment) break;
      bits += segment.sizeBytes * 8;
      seconds += segment.seconds;
      if (seconds === segment.seconds) busiest = Math.max(busiest, bits / seconds);
      if (seconds > 1.5 * targetSeconds) break;
      if (seconds >= 0.5 * targetSeconds) peak = Math.max(peak, bits / seconds);
    }
  }
  return peak || busiest;
}

/** Undefined unless every segment was measured. */
export function averageBps(segments: readonly (MeasuredSegment | undefined)[]): number | undefined {
  let bits = 0;
  let seconds = 0;
  for (const segment of segments) {
    if (!segment) return undefined;
    bits += segment.sizeBytes * 8;
    seconds += segment.seconds;
  }
  return seconds > 0 ? bits / seconds : undefined;
}

/**
 * Whether a rate of `bandwidthBps` brings every run of segments in time to a client that first waits for
 * `bufferSeconds` (MPD@minBufferTime, ISO/IEC 23009-1 §5.3.5.2), or for one segment where that is longer.
 * @returns the rate that the worst run needs
 */
export function neededBps(segments: readonly (MeasuredSegment | undefined)[], bufferSeconds: number): number {
  let needed = 0;
  for (let first = 0; first < segments.length; first++) {
    let bits = 0;
    let before = 0;
    for (const segment of segments.slice(first)) {
      if (!segment) break;
      bits += segment.sizeBytes * 8;
      needed = Math.max(needed, bits / (before + Math.max(bufferSeconds, segment.seconds)));
      before += segment.seconds;
      // Longer runs are nearer to the average.
      if (before > 20 * bufferSeconds) break;
    }
  }
  return needed;
}
