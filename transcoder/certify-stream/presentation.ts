// A stream as its manifests describe it: renditions made of segments, whatever the manifest's format.
import { chunkRuns } from '../../shared/timeline.ts';
import { isReadBack } from '../certificate/object-checks.ts';
import type { TrackInfo, TrackKind } from './init-tracks.ts';
import type { SegmentFacts, TrackFacts } from './segment-facts.ts';
import type { Resource } from './stream-reader.ts';

export type KeyRef = { method: string; url: string; isIdentity: boolean; iv: Uint8Array };
export type InitRef = Resource & { key?: KeyRef | undefined };

export type Segment = Resource & {
  index: number;
  /** As the manifest says, in seconds; its start counts from the first segment's. */
  seconds: number;
  startSeconds: number;
  /** How exactly the manifest can say it. */
  toleranceSeconds: number;
  init: InitRef | undefined;
  key?: KeyRef | undefined;
  isDiscontinuous: boolean;
  isGap: boolean;
  /** Where an MPD puts it on the track's own clock. */
  placed?: { startTicks: number; durationTicks: number; timescale: number; isExact: boolean };
};

export type Rendition = {
  /** Short, for people. */
  name: string;
  /** The manifest that describes it. */
  url: string;
  kind: TrackKind;
  segments: Segment[];
  /** What an MPD takes off the track's times. */
  presentationOffsetSeconds?: number;
};

export type ReadRendition = Rendition & {
  /** By index; undefined where a segment was not read or could not be. */
  facts: (SegmentFacts | undefined)[];
  tracks: TrackInfo[];
  isComplete: boolean;
};

/** The track that a rendition is there for. */
export function mainTrack(facts: SegmentFacts, kind: TrackKind): TrackFacts | undefined {
  return facts.tracks.find((track) => track.kind === kind) ?? facts.tracks[0];
}

export function endSeconds({ segments }: Pick<Rendition, 'segments'>): number {
  const last = segments.at(-1);
  return last ? last.startSeconds + last.seconds : 0;
}

/** Segments that are ours are joined where chunks were; those of others where they say so. */
export function isOwnRendition({ segments }: Rendition): boolean {
  const own = /\/(?:stream|audio)_[\w-]+_\d{3,}\.m4s(?:\?|$)/;
  return segments.length > 0 && segments.every(({ url }) => own.test(url));
}

/** What is read of a rendition without --deep: ends, joints, and a sample of 2 %, the same in every run. */
export function sampleOf(rendition: Rendition, track: number): number[] {
  const { segments } = rendition;
  const runs = isOwnRendition(rendition) ? chunkRuns(segments.length) : [];
  const joints = segments.flatMap(({ isDiscontinuous }, index) =>
    isDiscontinuous && index > 0 ? [{ firstSegment: index }] : [],
  );
  const chunks = [...runs, ...joints.map((joint) => ({ ...joint, segmentCount: 0 }))].map((run, index) => ({
    ...run,
    index,
  }));
  const isChosen = (index: number) =>
    index >= 0 &&
    index < segments.length &&
    isReadBack(index, { plan: { chunks }, track, count: segments.length });
  // A joint has two sides.
  return segments.flatMap((_, index) =>
    isChosen(index) || chunks.some(({ firstSegment }) => firstSegment === index + 1) ? [index] : [],
  );
}
