// Media segments (`.m4s`): assembling them from fragments, and reading back what a segment's bytes say.
import { createHash } from 'node:crypto';
import type { KeyRange } from '../../shared/manifest-tracks.ts';
import type { SegmentFacts } from '../../shared/messages.ts';
import { asciiBytes, boxesIn, malformed, words, writeBox } from './boxes.ts';
import { readFragment, setSequenceNumber } from './fragment.ts';
import type { Fragment, GrowingFile } from './growing-file.ts';

/** A DASH media segment that is a CMAF segment. */
export const SEGMENT_TYPE_BOX = writeBox('styp', asciiBytes('msdh'), words(0), asciiBytes('msdhcmfs'));

/**
 * The bytes of a segment: styp, then the fragments numbered from `firstSequenceNumber`. Sample data goes from
 * the file straight to its place; offsets count from each moof and stay right.
 */
export async function assembleSegment(
  file: GrowingFile,
  fragments: readonly Fragment[],
  firstSequenceNumber: number,
): Promise<Uint8Array> {
  const sizeBytes = fragments.reduce(
    (sum, fragment) => sum + fragment.moof.length + fragment.mdatSizeBytes,
    0,
  );
  const bytes = new Uint8Array(SEGMENT_TYPE_BOX.length + sizeBytes);
  bytes.set(SEGMENT_TYPE_BOX);
  let at = SEGMENT_TYPE_BOX.length;
  for (const [index, fragment] of fragments.entries()) {
    const moof = bytes.subarray(at, at + fragment.moof.length);
    moof.set(fragment.moof);
    setSequenceNumber(moof, firstSequenceNumber + index);
    const mdatAt = at + fragment.moof.length;
    at = mdatAt + fragment.mdatSizeBytes;
    await file.readInto(bytes.subarray(mdatAt, at), fragment.mdatOffset);
  }
  return bytes;
}

/**
 * The facts of a segment, from its bytes alone. Samples must follow each other without a hole, fill their mdat
 * exactly, and the fragments be in order.
 *
 * @throws AppError verification_failed where they do not.
 */
export function segmentFacts(index: number, bytes: Uint8Array): SegmentFacts {
  const boxes = boxesIn(bytes);
  let startTicks: number | undefined;
  let endTicks = 0;
  let samples = 0;
  let lastSequenceNumber = 0;
  const keyTicks: number[] = [];
  const keyRanges: KeyRange[] = [];
  for (const [position, box] of boxes.entries()) {
    if (box.type !== 'moof') continue;
    const fragment = readFragment(bytes.subarray(box.start, box.end));
    const mdat = boxes[position + 1];
    const dataBytes = fragment.samples.reduce((sum, sample) => sum + sample.sizeBytes, 0);
    if (mdat?.type !== 'mdat' || box.start + fragment.dataOffset !== mdat.bodyStart) {
      throw malformed(`Segment ${index} has a fragment that does not point at its media data.`);
    }
    if (dataBytes !== mdat.end - mdat.bodyStart) {
      throw malformed(`Segment ${index} has a fragment whose samples do not fill its media data.`);
    }
    startTicks ??= fragment.baseTicks;
    if (samples > 0 && fragment.baseTicks !== endTicks) {
      throw malformed(
        `Segment ${index} has a hole: a fragment starts at ${fragment.baseTicks}, not ${endTicks}.`,
      );
    }
    if (fragment.sequenceNumber <= lastSequenceNumber) {
      throw malformed(`Segment ${index} has fragments out of order.`);
    }
    lastSequenceNumber = fragment.sequenceNumber;
    endTicks = fragment.baseTicks;
    const [first] = fragment.samples;
    if (first?.isSync) {
      keyRanges.push({ offsetBytes: box.start, sizeBytes: fragment.dataOffset + first.sizeBytes });
    }
    for (const sample of fragment.samples) {
      if (sample.isSync) keyTicks.push(endTicks);
      endTicks += sample.durationTicks;
    }
    samples += fragment.samples.length;
  }
  if (startTicks === undefined) throw malformed(`Segment ${index} holds no fragment.`);
  return {
    index,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    startTicks,
    durationTicks: endTicks - startTicks,
    samples,
    keyTicks,
    keyRanges,
  };
}
