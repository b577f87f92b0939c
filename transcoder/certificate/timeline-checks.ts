// Do the tracks, as their bytes tell, lie on the plan's grid?
import type { SegmentFacts } from '../../shared/messages.ts';
import type { Plan } from '../../shared/plan.ts';
import { frameSeconds, frameTicks, segmentFrameRange } from '../../shared/timeline.ts';
import type { FinishedTracks } from '../tracks.ts';
import type { Checklist } from './checklist.ts';

/** Sound is cut at the frame nearest a boundary, counted with its hidden priming. */
const AUDIO_BOUNDARY_SECONDS = 0.1;

export function checkTimelines(list: Checklist, plan: Plan, { video, audio }: FinishedTracks): void {
  const tracks = [...video, ...audio];
  list.each('tracks-complete', tracks, ({ stem, segments }) => {
    const isInOrder = segments.every((segment, position) => segment.index === position);
    const isVideo = video.some((track) => track.stem === stem);
    if (isInOrder && segments.length > 0 && (!isVideo || segments.length === plan.segmentCount))
      return undefined;
    return `${stem} has the segments ${segments.map(({ index }) => index).join(' ')}`;
  });
  list.each('init-identical', tracks, ({ stem, inits }) =>
    inits.every((init) => JSON.stringify(init) === JSON.stringify(inits[0]))
      ? undefined
      : `${stem} was made with different init segments`,
  );
  list.each('timescale-planned', video, ({ stem, timescale }) =>
    timescale === plan.timescale ? undefined : `${stem} counts ${timescale} ticks per second`,
  );
  list.each('segments-contiguous', segmentsOf(tracks), ({ stem, segment, previous }) => {
    const expected = previous ? previous.startTicks + previous.durationTicks : 0;
    return segment.startTicks === expected
      ? undefined
      : `${stem} segment ${segment.index} starts at tick ${segment.startTicks}, not ${expected}`;
  });
  const tick = frameTicks(plan.fps);
  list.each('frames-as-planned', segmentsOf(video), ({ stem, segment }) => {
    const { firstFrame, endFrame } = segmentFrameRange(segment.index, plan, plan.totalFrames);
    const frames = endFrame - firstFrame;
    return segment.samples === frames && segment.durationTicks === frames * tick
      ? undefined
      : `${stem} segment ${segment.index} holds ${segment.samples} frames over ${segment.durationTicks} ticks, not ${frames} over ${frames * tick}`;
  });
  list.each('frames-total', video, ({ stem, segments }) => {
    const frames = segments.reduce((sum, { samples }) => sum + samples, 0);
    return frames === plan.totalFrames ? undefined : `${stem} has ${frames} frames, not ${plan.totalFrames}`;
  });
  list.each('keys-on-grid', segmentsOf(video), ({ stem, segment }) => {
    const { firstFrame, endFrame } = segmentFrameRange(segment.index, plan, plan.totalFrames);
    const expected: number[] = [];
    for (let frame = firstFrame; frame < endFrame; frame += plan.gopFrames) expected.push(frame * tick);
    return expected.join() === segment.keyTicks.join()
      ? undefined
      : `${stem} segment ${segment.index} has key frames at ${segment.keyTicks.join(' ')}, not at ${expected.join(' ')}`;
  });
  list.each('keys-equal-across-rungs', video, ({ stem, segments }) =>
    keysOf(segments) === keysOf(video[0]!.segments) ? undefined : `${stem} and ${video[0]!.stem} differ`,
  );
  list.each('audio-follows-video', segmentsOf(audio), ({ stem, segment, timescale }) => {
    const boundary = frameSeconds(segment.index * plan.segmentFrames, plan.fps);
    const offBy = Math.abs(segment.startTicks / timescale - boundary);
    return offBy <= AUDIO_BOUNDARY_SECONDS
      ? undefined
      : `${stem} segment ${segment.index} is ${offBy} s off its boundary`;
  });
}

type Placed = { stem: string; timescale: number; segment: SegmentFacts; previous: SegmentFacts | undefined };

function segmentsOf(
  tracks: readonly { stem: string; timescale: number; segments: SegmentFacts[] }[],
): Placed[] {
  return tracks.flatMap(({ stem, timescale, segments }) =>
    segments.map((segment, index) => ({ stem, timescale, segment, previous: segments[index - 1] })),
  );
}

function keysOf(segments: readonly SegmentFacts[]): string {
  return segments.map(({ keyTicks }) => keyTicks.join()).join(';');
}
