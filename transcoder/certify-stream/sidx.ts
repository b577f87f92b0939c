// The segment index of a single-file representation (ISO/IEC 14496-12 §8.16.3).
import { malformed, readFullBox, requireBox } from '../isobmff/boxes.ts';
import type { InitRef, Segment } from './presentation.ts';
import type { ByteRange } from './stream-reader.ts';

type Indexed = { url: string; range: ByteRange; init: InitRef };

/** @throws AppError verification_failed for an index of indexes, or none. */
export function readSidx(bytes: Uint8Array, { url, range, init }: Indexed, offsetSeconds: number): Segment[] {
  const { version, reader } = readFullBox(bytes, requireBox(bytes, 'sidx'));
  reader.skip(4); // reference id
  const timescale = reader.u32();
  let ticks = version === 0 ? reader.u32() : reader.u64();
  let offset = range.offset + range.sizeBytes + (version === 0 ? reader.u32() : reader.u64());
  const count = reader.u32() & 0xffff;
  return Array.from({ length: count }, (_, index) => {
    const reference = reader.u32();
    if (reference >= 2 ** 31) throw malformed('The index points at further indexes, which are not read.');
    const durationTicks = reader.u32();
    reader.skip(4); // stream access point
    const segment: Segment = {
      ...{ index, url, init, range: { offset, sizeBytes: reference } },
      ...{ isDiscontinuous: false, isGap: false, toleranceSeconds: 1 / timescale },
      seconds: durationTicks / timescale,
      startSeconds: ticks / timescale - offsetSeconds,
      placed: { startTicks: ticks, durationTicks, timescale, isExact: true },
    };
    ticks += durationTicks;
    offset += reference;
    return segment;
  });
}
