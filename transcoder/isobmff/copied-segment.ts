// Media segments made of the source's own pictures, found by its index: styp, one moof, one mdat.
import type { CopiedSegment, CopiedVideo } from '../../shared/instant-video.ts';
import { KIB } from '../../shared/limits.ts';
import type { SampleList } from '../../shared/probe/iso-sample-list.ts';
import { type AvcRecord, copiedUnits } from './avc-units.ts';
import { BOX_HEADER_BYTES, u64Bytes, words, writeBox } from './boxes.ts';
import { SEGMENT_TYPE_BOX } from './segment.ts';

export type RangeReader = { read(offset: number, length: number): Promise<Uint8Array> };

/** Sample flags: depends on nothing, a sync sample; or depends on others and is none. */
const KEY_FLAGS = 0x02000000;
const OTHER_FLAGS = 0x01010000;
/** Sound lies between the pictures of most files; it is cheaper to read over it than to ask twice. */
const MAX_GAP_BYTES = 256 * KIB;
const TRACK_ID = 1;
/** Data offset, and of each sample its duration, size, flags and composition offset. */
const RUN_FLAGS = 0x000f01;

/** @throws AppError verification_failed where the pictures are not what the index says. */
export async function copyVideoSegment(
  source: RangeReader,
  video: CopiedVideo,
  record: AvcRecord,
  index: number,
): Promise<Uint8Array> {
  const segment = video.segments[index]!;
  const { firstSample, endSample } = segment;
  const { samples } = video;
  const pictures = await readSamples(source, samples, firstSample, endSample);
  const pieces = pictures.map((picture, position) =>
    copiedUnits(picture, samples.keys[firstSample + position] === 1, record),
  );
  const sizes = pieces.map((units) => units.reduce((sum, unit) => sum + unit.length, 0));
  // The offset's value does not change the moof's size: written once to measure, once for good.
  const measured = movieFragment(video, segment, index, sizes, 0);
  const moof = movieFragment(video, segment, index, sizes, measured.length + BOX_HEADER_BYTES);
  const mdat = writeBox('mdat', ...pieces.flat());
  return Buffer.concat([SEGMENT_TYPE_BOX, moof, mdat]);
}

/** Samples in their own order, neighbours in the file read at once. */
async function readSamples(
  source: RangeReader,
  { offsets, sizes }: SampleList,
  first: number,
  end: number,
): Promise<Uint8Array[]> {
  const inFileOrder = Array.from({ length: end - first }, (_, position) => first + position).sort(
    (a, b) => offsets[a]! - offsets[b]!,
  );
  const found: Uint8Array[] = Array(end - first);
  for (let next = 0; next < inFileOrder.length; ) {
    const run: number[] = [];
    const start = offsets[inFileOrder[next]!]!;
    let runEnd = start;
    for (; next < inFileOrder.length; next++) {
      const sample = inFileOrder[next]!;
      if (run.length > 0 && offsets[sample]! - runEnd > MAX_GAP_BYTES) break;
      run.push(sample);
      runEnd = Math.max(runEnd, offsets[sample]! + sizes[sample]!);
    }
    const bytes = await source.read(start, runEnd - start);
    for (const sample of run) {
      const at = offsets[sample]! - start;
      found[sample - first] = bytes.subarray(at, at + sizes[sample]!);
    }
  }
  return found;
}

function movieFragment(
  { samples, baseComposition, heldTicks, segments }: CopiedVideo,
  { firstSample, startTicks }: CopiedSegment,
  index: number,
  sizes: number[],
  dataOffset: number,
): Uint8Array {
  const firstOfAll = segments[0]!.firstSample;
  const rows = sizes.flatMap((sizeBytes, position) => {
    const sample = firstSample + position;
    const held = sample === firstOfAll ? heldTicks : 0;
    return [
      samples.durations[sample]! + held,
      sizeBytes,
      samples.keys[sample] ? KEY_FLAGS : OTHER_FLAGS,
      samples.compositions[sample]! - baseComposition,
    ];
  });
  const mfhd = writeBox('mfhd', words(0, index + 1));
  const tfhd = writeBox('tfhd', words(0x020000, TRACK_ID));
  const tfdt = writeBox('tfdt', words(0x01000000), u64Bytes(startTicks));
  // Version 1: composition offsets may be negative.
  const trun = writeBox('trun', words(0x01000000 | RUN_FLAGS, sizes.length, dataOffset, ...rows));
  return writeBox('moof', mfhd, writeBox('traf', tfhd, tfdt, trun));
}
