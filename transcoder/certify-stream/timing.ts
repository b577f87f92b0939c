// When samples are shown: the track's clock, its edit list, what an MPD takes off, and clocks that wrap.
import { mainTrack, type ReadRendition } from './presentation.ts';
import type { TrackFacts } from './segment-facts.ts';

/** MPEG-TS counts 33 bits of 1/90000 s. */
const WRAP_SECONDS = 2 ** 33 / 90_000;
const SAME_RATE = 0.002;

/** How far two times of tracks with the clock of `track` are apart. */
export function secondsApart(one: number, other: number, { fragmentNumbers }: TrackFacts): number {
  const apart = one - other;
  return Math.abs(fragmentNumbers ? apart : apart - Math.round(apart / WRAP_SECONDS) * WRAP_SECONDS);
}

/** When a presentation time of a rendition's track is played. */
export function shownSeconds(rendition: ReadRendition, track: TrackFacts, ticks: number): number {
  const edit = rendition.tracks.find(({ id }) => id === track.trackId)?.edit;
  const { pauseSeconds, hiddenTicks } = typeof edit === 'object' ? edit : { pauseSeconds: 0, hiddenTicks: 0 };
  return (ticks - hiddenTicks) / track.timescale + pauseSeconds - (rendition.presentationOffsetSeconds ?? 0);
}

export function trackOf(rendition: ReadRendition, index: number): TrackFacts | undefined {
  const facts = rendition.facts[index];
  return facts && mainTrack(facts, rendition.kind);
}

/** Frames per second over all that was read, and how exactly that is known. Undefined for a varying rate. */
export function measuredRate(rendition: ReadRendition): { rate: number; tolerance: number } | undefined {
  const tracks = rendition.segments
    .map(({ index }) => trackOf(rendition, index))
    .filter((track) => track?.kind === 'video') as TrackFacts[];
  const [first] = tracks;
  if (!first) return undefined;
  const least = Math.min(...tracks.map(({ sampleTicks }) => sampleTicks.least));
  const greatest = Math.max(...tracks.map(({ sampleTicks }) => sampleTicks.greatest));
  if (greatest - least > 2) return undefined;
  const samples = tracks.reduce((sum, track) => sum + track.samples, 0);
  const ticks = tracks.reduce((sum, { durationTicks }) => sum + durationTicks, 0);
  const rate = (samples * first.timescale) / ticks;
  return { rate, tolerance: SAME_RATE + (2 * tracks.length * rate) / ticks };
}
