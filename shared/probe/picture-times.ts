// From the times of all pictures of a stream to its extent, pace and regularity.

/** One stream's pictures, or one sound stream's packets, in seconds on the container's own clock. */
export type PacketTimes = {
  /** Presentation times, in any order. */
  starts: number[];
  /** How long the packet with the same index lasts; 0 where the container does not say. */
  durations: number[];
  /** Ascending times of the packets that can be decoded on their own. */
  keys: number[];
};

export type Extent = { startSeconds: number; endSeconds: number };

export type PictureTiming = Extent & {
  averageFps: number;
  /** Pace of the ordinary steps: neither gaps nor bursts count. */
  typicalFps: number;
  isVariable: boolean;
  keySeconds: number[];
};

/** Steps this far from the median are still ordinary: containers round times to milliseconds. */
const STEP_TOLERANCE = 0.1;
const ROUNDING_SECONDS = 0.0021;

export function extentOf({ starts, durations }: PacketTimes): Extent | undefined {
  let startSeconds = Number.POSITIVE_INFINITY;
  let endSeconds = Number.NEGATIVE_INFINITY;
  starts.forEach((start, index) => {
    startSeconds = Math.min(startSeconds, start);
    endSeconds = Math.max(endSeconds, start + durations[index]!);
  });
  return starts.length === 0 ? undefined : { startSeconds, endSeconds };
}

/** Undefined for a stream without pictures. `fallbackFps` serves for a single picture without duration. */
export function pictureTiming(times: PacketTimes, fallbackFps: number): PictureTiming | undefined {
  const starts = Float64Array.from(times.starts).sort();
  const first = starts[0];
  const last = starts.at(-1);
  if (first === undefined || last === undefined) return undefined;

  const steps = Float64Array.from(
    { length: starts.length - 1 },
    (_, index) => starts[index + 1]! - starts[index]!,
  );
  const ordered = Float64Array.from(steps).sort();
  const median = ordered[ordered.length >> 1] ?? 0;
  const isOrdinary = (step: number) =>
    Math.abs(step - median) <= Math.max(median * STEP_TOLERANCE, Math.min(ROUNDING_SECONDS, median));
  const ordinary = steps.filter(isOrdinary);
  const typicalStep =
    ordinary.length > 0 ? ordinary.reduce((sum, step) => sum + step, 0) / ordinary.length : 0;

  // Matroska may state a default duration of a millisecond; a last picture lasts as long as an ordinary one.
  const declared = times.durations[times.starts.indexOf(last)] ?? 0;
  const lastDuration = Math.max(declared >= typicalStep / 2 ? declared : typicalStep, 0) || 1 / fallbackFps;
  const averageStep = steps.length > 0 ? (last - first) / steps.length : lastDuration;
  return {
    startSeconds: first,
    endSeconds: last + lastDuration,
    averageFps: averageStep > 0 ? 1 / averageStep : fallbackFps,
    typicalFps: typicalStep > 0 ? 1 / typicalStep : averageStep > 0 ? 1 / averageStep : fallbackFps,
    isVariable: ordinary.length < steps.length,
    keySeconds: times.keys,
  };
}
