// The plan's grid applied to what the encoder wrote: which fragments make a segment, and what a segment of the
// grid must be.
import type { SegmentFacts } from '../../shared/messages.ts';
import type { Plan } from '../../shared/plan.ts';
import { frameTicks, segmentFrameRange } from '../../shared/timeline.ts';
import { malformed } from './boxes.ts';
import type { Fragment } from './growing-file.ts';

export type VideoSegment = { index: number; fragments: Fragment[]; firstSequenceNumber: number };

/**
 * Groups fragments into the segments `firstSegment` up to `endSegment` (exclusive). Ends early where the
 * fragments do; a segment is only ever given out with every frame it is planned to have.
 *
 * @throws AppError verification_failed where a fragment does not sit on the grid.
 */
export async function* videoSegments(
  fragments: AsyncIterable<Fragment>,
  plan: Plan,
  firstSegment: number,
  endSegment: number,
): AsyncGenerator<VideoSegment, void, void> {
  const ticks = frameTicks(plan.fps);
  let index = firstSegment;
  let frame = segmentFrameRange(index, plan, plan.totalFrames).firstFrame;
  let held: Fragment[] = [];
  for await (const fragment of fragments) {
    const { endFrame } = segmentFrameRange(index, plan, plan.totalFrames);
    const { baseTicks, samples } = fragment.facts;
    if (index >= endSegment)
      throw malformed(`The encoder wrote more than the ${endSegment} segments planned.`);
    if (baseTicks !== frame * ticks) {
      throw malformed(`A fragment starts at tick ${baseTicks}; frame ${frame} is at tick ${frame * ticks}.`);
    }
    if (!samples[0]?.isSync)
      throw malformed(`The fragment at frame ${frame} does not start with a key frame.`);
    held.push(fragment);
    frame += samples.length;
    if (frame > endFrame)
      throw malformed(`A fragment crosses the end of segment ${index} at frame ${endFrame}.`);
    if (frame === endFrame) {
      yield { index, fragments: held, firstSequenceNumber: sequenceNumberOf(plan, index) };
      held = [];
      index++;
    }
  }
}

/**
 * Checks a segment's facts against the plan: where it starts, how long it lasts, and a key frame at every GOP.
 *
 * @throws AppError verification_failed.
 */
export function requireOnGrid(plan: Plan, facts: SegmentFacts): void {
  const ticks = frameTicks(plan.fps);
  const { firstFrame, endFrame } = segmentFrameRange(facts.index, plan, plan.totalFrames);
  const frames = endFrame - firstFrame;
  const expectedKeys = Array.from(
    { length: Math.ceil(frames / plan.gopFrames) },
    (_, gop) => (firstFrame + gop * plan.gopFrames) * ticks,
  );
  const isOnGrid =
    facts.startTicks === firstFrame * ticks &&
    facts.durationTicks === frames * ticks &&
    facts.samples === frames &&
    facts.keyTicks.length === expectedKeys.length &&
    expectedKeys.every((key, gop) => facts.keyTicks[gop] === key);
  if (isOnGrid) return;
  throw malformed(
    `Segment ${facts.index} should be ${frames} frames from tick ${firstFrame * ticks} with ${expectedKeys.length} key frames; ` +
      `it has ${facts.samples} frames from tick ${facts.startTicks} over ${facts.durationTicks} ticks with ${facts.keyTicks.length}.`,
  );
}

/** Fragments are numbered by GOP through the whole track, whichever chunk made them. */
function sequenceNumberOf(plan: Plan, segment: number): number {
  return segment * (plan.segmentFrames / plan.gopFrames) + 1;
}
