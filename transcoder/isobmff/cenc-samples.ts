// Which bytes of a sample are encrypted (ISO/IEC 23001-7 §9.5): all of a frame of sound; of a picture the slices
// behind their headers, in whole blocks of the cipher. Everything a decoder is set up by stays clear.
import { malformed } from './boxes.ts';
import { type ParameterSets, sliceHeaderBytes } from './h264-slice-header.ts';

/** A run of clear bytes, then one of encrypted bytes. */
export type Subsample = { clearBytes: number; protectedBytes: number };

/** How the units of a track's pictures are laid out. */
export type PictureLayout = { lengthBytes: number; parameterSets: ParameterSets };

const NAL = { slice: 1, idr: 5 };
const BLOCK_BYTES = 16;
/** `BytesOfClearData` has 16 bits. */
const MAX_CLEAR_BYTES = 0xffff;

/** @throws AppError verification_failed where the units do not fill the picture */
export function subsamplesOf(
  picture: Uint8Array,
  { lengthBytes, parameterSets }: PictureLayout,
): Subsample[] {
  const subsamples: Subsample[] = [];
  let clearBytes = 0;
  const add = (protectedBytes: number) => {
    for (; clearBytes > MAX_CLEAR_BYTES; clearBytes -= MAX_CLEAR_BYTES) {
      subsamples.push({ clearBytes: MAX_CLEAR_BYTES, protectedBytes: 0 });
    }
    subsamples.push({ clearBytes, protectedBytes });
    clearBytes = 0;
  };
  for (let at = 0; at < picture.length; ) {
    let unitBytes = 0;
    for (let byte = 0; byte < lengthBytes; byte++) unitBytes = unitBytes * 256 + (picture[at++] ?? 0);
    const unit = picture.subarray(at, at + unitBytes);
    at += unitBytes;
    if (unit.length < unitBytes || at > picture.length)
      throw malformed('The units of a picture do not fill it.');
    const type = (unit[0] ?? 0) & 0x1f;
    const isSlice = unitBytes > 0 && (type === NAL.slice || type === NAL.idr);
    const secret = isSlice ? Math.max(0, unitBytes - sliceHeaderBytes(unit, parameterSets)) : 0;
    const protectedBytes = secret - (secret % BLOCK_BYTES);
    clearBytes += lengthBytes + unitBytes - protectedBytes;
    if (protectedBytes > 0) add(protectedBytes);
  }
  if (clearBytes > 0 || subsamples.length === 0) add(0);
  return subsamples;
}
