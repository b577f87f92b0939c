// Where an audio track is cut: at the AAC frame nearest each boundary of the video's grid. One rule for whoever
// writes the segments and whoever lists them before they are all there.

/** What an init segment says of its track's clock, in ticks of its timescale. */
export type AudioClock = {
  timescale: number;
  frameTicks: number;
  /** Decode time of the instant shown at time 0. */
  hiddenTicks: number;
};

/** A last segment shorter than this joins the one before. */
export const AUDIO_STUB_SECONDS = 0.5;

/** The first AAC frame of the segment that begins nearest to `boundarySeconds`. */
export function audioCut(clock: AudioClock, boundarySeconds: number): number {
  return Math.round((boundarySeconds * clock.timescale + clock.hiddenTicks) / clock.frameTicks);
}
