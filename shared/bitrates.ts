// Bitrates of a finished track, measured over its stored bytes.

export type SizedSegment = { sizeBytes: number; durationTicks: number };
export type Bitrates = { peakBps: number; averageBps: number };

/**
 * The peak is that of the busiest segment. RFC 8216 asks for the busiest run of segments of about the target
 * duration; a run is never busier than its busiest member, so this is never too low.
 */
export function measureBitrates(track: { timescale: number; segments: readonly SizedSegment[] }): Bitrates {
  const rate = (sizeBytes: number, ticks: number) => Math.ceil((sizeBytes * 8 * track.timescale) / ticks);
  const sizeBytes = track.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const ticks = track.segments.reduce((sum, segment) => sum + segment.durationTicks, 0);
  return {
    peakBps: track.segments.reduce((peak, one) => Math.max(peak, rate(one.sizeBytes, one.durationTicks)), 0),
    averageBps: rate(sizeBytes, ticks),
  };
}

/** What an HLS variant needs: its video and the heaviest of the sound it may be played with. */
export function withAudio(video: Bitrates, audio: readonly Bitrates[]): Bitrates {
  return {
    peakBps: video.peakBps + Math.max(0, ...audio.map(({ peakBps }) => peakBps)),
    averageBps: video.averageBps + Math.max(0, ...audio.map(({ averageBps }) => averageBps)),
  };
}
