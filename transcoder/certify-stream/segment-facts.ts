// What a media segment's bytes say of one of its tracks, whichever container it is.
import type { TrackInfo, TrackKind } from './init-tracks.ts';

export type TrackFacts = {
  trackId: number;
  kind: TrackKind;
  timescale: number;
  /** Decode time of the first sample, in ticks. */
  startTicks: number;
  durationTicks: number;
  samples: number;
  /** When the key frames are shown, before any edit. */
  keyTicks: number[];
  /** The least and the greatest sample duration. */
  sampleTicks: { least: number; greatest: number };
  /** Presentation time of what is shown first, before any edit. */
  firstShownTicks: number;
  startsWithKey: boolean;
  fragmentNumbers: { first: number; last: number } | undefined;
};

export type SegmentProblem = { check: string; problem: string };

export type SegmentFacts = {
  sizeBytes: number;
  sha256: string;
  tracks: TrackFacts[];
  /** Checks that its own bytes were put to, and those it failed. */
  checked: string[];
  problems: SegmentProblem[];
  /** Of segments that carry their own description: TS and packed audio. */
  info: TrackInfo[];
  notChecked: string[];
};

export type TimedSample = {
  decodeTicks: number;
  shownTicks: number;
  durationTicks: number;
  isKey: boolean;
};

/** A track's facts from its samples in the order of decoding. */
export function factsOf(
  track: Pick<TrackInfo, 'id' | 'kind' | 'timescale'>,
  samples: readonly TimedSample[],
  fragmentNumbers: TrackFacts['fragmentNumbers'],
): TrackFacts {
  const first = samples[0]!;
  const last = samples.at(-1)!;
  const facts: TrackFacts = {
    trackId: track.id,
    kind: track.kind,
    timescale: track.timescale,
    startTicks: first.decodeTicks,
    durationTicks: last.decodeTicks + last.durationTicks - first.decodeTicks,
    samples: samples.length,
    keyTicks: [],
    sampleTicks: { least: first.durationTicks, greatest: first.durationTicks },
    firstShownTicks: first.shownTicks,
    startsWithKey: first.isKey,
    fragmentNumbers,
  };
  for (const { shownTicks, durationTicks, isKey } of samples) {
    if (isKey) facts.keyTicks.push(shownTicks);
    facts.firstShownTicks = Math.min(facts.firstShownTicks, shownTicks);
    facts.sampleTicks.least = Math.min(facts.sampleTicks.least, durationTicks);
    facts.sampleTicks.greatest = Math.max(facts.sampleTicks.greatest, durationTicks);
  }
  return facts;
}

/** What is wrong with the order in which a segment's pictures are decoded and shown. */
export function orderProblem(samples: readonly TimedSample[], toleranceTicks: number): string | undefined {
  const shown = samples.toSorted((a, b) => a.shownTicks - b.shownTicks);
  for (const [index, sample] of shown.entries()) {
    const next = shown[index + 1];
    if (!next) continue;
    if (next.shownTicks === sample.shownTicks) return `Two samples are shown at tick ${sample.shownTicks}.`;
    const longest = Math.max(sample.durationTicks, next.durationTicks);
    if (next.shownTicks - sample.shownTicks > 2 * longest + toleranceTicks)
      return `Nothing is shown between the ticks ${sample.shownTicks} and ${next.shownTicks}.`;
  }
  return undefined;
}
