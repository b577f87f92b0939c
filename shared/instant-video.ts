// The copied video rendition of an MP4 or MOV: which samples go into which segment, and when they are shown.
import type { IsoIndex, IsoTrack } from './probe/iso-boxes.ts';
import { readSampleList, type SampleList } from './probe/iso-sample-list.ts';
import { secondsAt, type TrackClock, trackClock } from './probe/iso-times.ts';

export type CopiedSegment = {
  firstSample: number;
  endSample: number;
  startTicks: number;
  durationTicks: number;
  /** Of the samples alone. */
  mediaBytes: number;
};

export type CopiedVideo = {
  timescale: number;
  samples: SampleList;
  /** Composition offset of the first sample copied: what all are lowered by, so that time zero has a picture. */
  baseComposition: number;
  /** The first picture is shown this much earlier than the source does, from the source's time zero on. */
  heldTicks: number;
  segments: CopiedSegment[];
};

/** More pictures than a day of 30 a second are not worth the memory of their tables. */
const MAX_SAMPLES = 2_600_000;
/** TARGETDURATION is the longest segment; a player buffers whole ones. */
const MAX_SEGMENT_SECONDS = 12;
/** A last segment shorter than this joins the one before. */
const STUB_SECONDS = 1;

/**
 * Undefined where a copy would not show the very pictures of the source: its edits hide some that others need, its
 * groups overlap, or its tables are broken.
 */
export function copiedVideo(
  track: IsoTrack,
  index: Pick<IsoIndex, 'boxes'>,
  { zeroSeconds, segmentSeconds }: { zeroSeconds: number; segmentSeconds: number },
): CopiedVideo | undefined {
  const clock = trackClock(track, index);
  const samples = clock && readSampleList(track, MAX_SAMPLES);
  const shown = samples && shownSamples(samples, clock);
  if (!samples || !shown) return undefined;
  fillLastDuration(samples, shown.end);
  const timescale = clock.ticksPerSecond;
  const firstSeconds = secondsAt(clock, shown.firstTicks) - zeroSeconds;
  const heldTicks = Math.max(0, Math.round(firstSeconds * timescale));
  const starts = segmentStarts(samples, shown, heldTicks, segmentSeconds * timescale);
  const segments = starts && cut(samples, starts, shown, heldTicks, STUB_SECONDS * timescale);
  const isPlayable = segments?.every(
    ({ durationTicks }) => durationTicks > 0 && durationTicks <= MAX_SEGMENT_SECONDS * timescale,
  );
  if (!segments || !isPlayable) return undefined;
  return {
    timescale,
    samples,
    baseComposition: samples.compositions[shown.first]!,
    heldTicks,
    segments,
  };
}

type Shown = { first: number; end: number; firstTicks: number };

/** The samples from the first shown to the last, where none between is hidden and the first is a key picture. */
function shownSamples(samples: SampleList, clock: TrackClock): Shown | undefined {
  let decodeTicks = 0;
  let shown: Shown | undefined;
  for (let sample = 0; sample < samples.count; sample++) {
    const ticks = decodeTicks + samples.compositions[sample]!;
    if (ticks >= clock.shownFrom && ticks < clock.shownTo) {
      shown ??= { first: sample, end: sample, firstTicks: ticks };
      if (shown.end !== sample || ticks < shown.firstTicks) return undefined;
      shown.end = sample + 1;
    }
    decodeTicks += samples.durations[sample]!;
  }
  return shown && samples.keys[shown.first] ? shown : undefined;
}

/** Some writers give the last sample no duration. */
function fillLastDuration(samples: SampleList, end: number): void {
  if (end > 1) samples.durations[end - 1] ||= samples.durations[end - 2]!;
}

/** Key pictures that begin a segment, each the nearest to where it should; undefined where groups overlap. */
function segmentStarts(
  samples: SampleList,
  { first, end }: Shown,
  heldTicks: number,
  targetTicks: number,
): number[] | undefined {
  const starts = [first];
  let startTicks = 0;
  let decodeTicks = heldTicks;
  let earlier: { sample: number; ticks: number } | undefined;
  let keyShownAt = Number.NEGATIVE_INFINITY;
  let lastShownAt = Number.NEGATIVE_INFINITY;
  for (let sample = first; sample < end; sample++) {
    const shownAt = decodeTicks + samples.compositions[sample]!;
    if (samples.keys[sample]) {
      if (shownAt <= lastShownAt) return undefined;
      keyShownAt = shownAt;
      const length = decodeTicks - startTicks;
      if (sample > first && length >= targetTicks) {
        const isEarlierNearer = earlier && targetTicks - (earlier.ticks - startTicks) < length - targetTicks;
        const chosen = isEarlierNearer ? earlier! : { sample, ticks: decodeTicks };
        starts.push(chosen.sample);
        startTicks = chosen.ticks;
        earlier = isEarlierNearer ? { sample, ticks: decodeTicks } : undefined;
      } else if (sample > first) {
        earlier = { sample, ticks: decodeTicks };
      }
    }
    if (shownAt < keyShownAt) return undefined;
    lastShownAt = Math.max(lastShownAt, shownAt);
    decodeTicks += samples.durations[sample]!;
  }
  return starts;
}

function cut(
  samples: SampleList,
  starts: number[],
  { first, end }: Shown,
  heldTicks: number,
  stubTicks: number,
): CopiedSegment[] {
  const segments: CopiedSegment[] = [];
  let startTicks = 0;
  for (const [position, firstSample] of starts.entries()) {
    const endSample = starts[position + 1] ?? end;
    let durationTicks = firstSample === first ? heldTicks : 0;
    let mediaBytes = 0;
    for (let sample = firstSample; sample < endSample; sample++) {
      durationTicks += samples.durations[sample]!;
      mediaBytes += samples.sizes[sample]!;
    }
    const previous = segments.at(-1);
    if (previous && endSample === end && durationTicks < stubTicks) {
      previous.endSample = end;
      previous.durationTicks += durationTicks;
      previous.mediaBytes += mediaBytes;
    } else {
      segments.push({ firstSample, endSample, startTicks, durationTicks, mediaBytes });
    }
    startTicks += durationTicks;
  }
  return segments;
}
