// The sequence parameter set of H.264 (ITU-T H.264 §7.3.2.1.1), as far as it tells what a picture looks like.
import type { Rational } from '../timeline.ts';
import { BitReader, skipScalingLists, withoutEmulation } from './bit-reader.ts';

export type H264Sps = {
  profile: number;
  level: number;
  /** 0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  chroma: number;
  bitDepth: number;
  width: number;
  height: number;
  isInterlaced: boolean;
  sar?: Rational;
  /** Number of the transfer curve in ITU-T H.273. */
  transfer?: number;
};

/** Profiles whose parameter set has the chroma fields. */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
const MAX_SPS_BYTES = 4096;
const EXTENDED_SAR = 255;
/** Table E-1. */
const SARS: readonly (readonly [number, number])[] = [
  ...([
    [0, 0],
    [1, 1],
    [12, 11],
    [10, 11],
    [16, 11],
    [40, 33],
    [24, 11],
    [20, 11],
    [32, 11],
  ] as const),
  ...([
    [80, 33],
    [18, 11],
    [15, 11],
    [64, 33],
    [160, 99],
    [4, 3],
    [3, 2],
    [2, 1],
  ] as const),
];

/** `nal` begins with the NAL unit header. Undefined where it is no whole parameter set. */
export function readH264Sps(nal: Uint8Array): H264Sps | undefined {
  if ((nal[0]! & 0x1f) !== 7 || nal.length > MAX_SPS_BYTES) return undefined;
  try {
    return parse(new BitReader(withoutEmulation(nal.subarray(1))));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(bits: BitReader): H264Sps {
  const profile = bits.read(8);
  bits.read(8); // constraint flags
  const level = bits.read(8);
  bits.golomb(); // id
  let chroma = 1;
  let bitDepth = 8;
  let hasSeparatePlanes = false;
  if (HIGH_PROFILES.has(profile)) {
    chroma = bits.golomb();
    if (chroma > 3) throw new RangeError('chroma_format_idc');
    if (chroma === 3) hasSeparatePlanes = bits.flag();
    bitDepth = 8 + bits.golomb();
    bits.golomb(); // bit depth of chroma
    bits.flag(); // lossless
    if (bits.flag()) skipScalingLists(bits, chroma === 3 ? 12 : 8);
  }
  bits.golomb(); // log2_max_frame_num
  skipPictureOrder(bits);
  bits.golomb(); // reference frames
  bits.flag(); // gaps
  const widthUnits = bits.golomb() + 1;
  const heightUnits = bits.golomb() + 1;
  const isFrameOnly = bits.flag();
  if (!isFrameOnly) bits.flag(); // adaptive
  bits.flag(); // direct 8x8
  const crop = bits.flag()
    ? { left: bits.golomb(), right: bits.golomb(), top: bits.golomb(), bottom: bits.golomb() }
    : { left: 0, right: 0, top: 0, bottom: 0 };
  const isPlanar = chroma === 0 || hasSeparatePlanes;
  const cropX = !isPlanar && chroma < 3 ? 2 : 1;
  const cropY = (!isPlanar && chroma === 1 ? 2 : 1) * (isFrameOnly ? 1 : 2);
  return {
    profile,
    level,
    chroma,
    bitDepth,
    width: widthUnits * 16 - cropX * (crop.left + crop.right),
    height: heightUnits * 16 * (isFrameOnly ? 1 : 2) - cropY * (crop.top + crop.bottom),
    isInterlaced: !isFrameOnly,
    ...(bits.flag() ? readUsability(bits) : {}),
  };
}

function readUsability(bits: BitReader): Pick<H264Sps, 'sar' | 'transfer'> {
  const found: Pick<H264Sps, 'sar' | 'transfer'> = {};
  if (bits.flag()) {
    const row = bits.read(8);
    const [num, den] = row === EXTENDED_SAR ? [bits.read(16), bits.read(16)] : (SARS[row] ?? [0, 0]);
    if (num > 0 && den > 0) found.sar = { num, den };
  }
  if (bits.flag()) bits.flag(); // overscan
  if (bits.flag()) {
    bits.read(4); // video format and range
    if (bits.flag()) {
      bits.read(8); // primaries
      found.transfer = bits.read(8);
    }
  }
  return found;
}

function skipPictureOrder(bits: BitReader): void {
  const kind = bits.golomb();
  if (kind === 0) bits.golomb();
  if (kind !== 1) return;
  bits.flag();
  bits.golomb(); // signed, but of the same length
  bits.golomb();
  const cycle = bits.golomb();
  for (let index = 0; index < cycle; index++) bits.golomb();
}
