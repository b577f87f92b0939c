// The small records in which containers keep what a decoder must know first: avcC, hvcC, av1C, vpcC and the
// AudioSpecificConfig. MP4 and Matroska hold the same bytes. Broken records tell nothing.
import type { Rational } from '../timeline.ts';
import { pixelFormatName, TRANSFER_NAMES } from './codec-names.ts';
import { type H264Sps, readH264Sps } from './h264-sps.ts';

export type PictureFacts = {
  width?: number;
  height?: number;
  sar?: Rational;
  pixelFormat?: string;
  colorTransfer?: string;
  isInterlaced?: boolean;
};

/** A container may crop what the decoder rounds up to whole blocks; any other size it states is hearsay. */
export function pictureSize(
  declared: { width: number; height: number },
  coded: PictureFacts,
): { width: number; height: number } {
  const { width, height } = coded;
  if (!width || !height) return declared;
  const isCropOf = (side: number, whole: number) =>
    side <= whole && Math.ceil(side / 16) === Math.ceil(whole / 16);
  return isCropOf(declared.width, width) && isCropOf(declared.height, height) ? declared : { width, height };
}

/** ISO/IEC 14496-15 §5.3.3.1 */
export type AvcConfiguration = {
  sps: H264Sps;
  parameterSetCount: number;
  /** Bytes of the length before each NAL unit. */
  lengthBytes: number;
};

export function readAvcConfiguration(record: Uint8Array): AvcConfiguration | undefined {
  const spsCount = record[5]! & 0x1f;
  const spsLength = (record[6]! << 8) | record[7]!;
  const spsEnd = 8 + spsLength;
  if (record[0] !== 1 || spsCount < 1 || spsEnd > record.length) return undefined;
  const sps = readH264Sps(record.subarray(8, spsEnd));
  if (!sps) return undefined;
  const ppsCount = spsCount === 1 ? (record[spsEnd] ?? 1) : 1;
  return { sps, parameterSetCount: Math.max(spsCount, ppsCount), lengthBytes: (record[4]! & 3) + 1 };
}

/** What the record of `codec` says of its pictures. */
export function pictureFacts(codec: string | undefined, record: Uint8Array): PictureFacts {
  if (codec === 'h264') return h264Facts(record);
  // ISO/IEC 14496-15 §8.3.3.1
  if (codec === 'hevc' && record.length >= 23 && record[0] === 1) {
    return { pixelFormat: pixelFormatName(record[16]! & 3, 8 + (record[17]! & 7)) };
  }
  // AV1 Codec ISO Media File Format Binding §2.3.3
  if (codec === 'av1' && record.length >= 4) return av1Facts(record[2]!);
  return {};
}

function h264Facts(record: Uint8Array): PictureFacts {
  const sps = readAvcConfiguration(record)?.sps;
  if (!sps) return {};
  const transfer = TRANSFER_NAMES[sps.transfer ?? 0];
  return {
    width: sps.width,
    height: sps.height,
    ...(sps.sar ? { sar: sps.sar } : {}),
    pixelFormat: pixelFormatName(sps.chroma, sps.bitDepth),
    ...(transfer ? { colorTransfer: transfer } : {}),
    isInterlaced: sps.isInterlaced,
  };
}

function av1Facts(flags: number): PictureFacts {
  const bitDepth = flags & 0x40 ? (flags & 0x20 ? 12 : 10) : 8;
  const [isGray, isHalfWide, isHalfHigh] = [flags & 0x10, flags & 0x08, flags & 0x04];
  const chroma = isGray ? 0 : isHalfWide && isHalfHigh ? 1 : isHalfWide ? 2 : 3;
  return { pixelFormat: pixelFormatName(chroma, bitDepth) };
}

const AAC_PROFILES: Record<number, string> = {
  1: 'Main',
  2: 'LC',
  3: 'SSR',
  4: 'LTP',
  5: 'HE-AAC',
  29: 'HE-AACv2',
};
const AAC_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];

/** AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1). */
export function aacFacts(config: Uint8Array): { profile?: string; sampleRate?: number; channels?: number } {
  if (config.length < 2) return {};
  const profile = AAC_PROFILES[config[0]! >> 3];
  const rate = AAC_RATES[((config[0]! & 7) << 1) | (config[1]! >> 7)];
  const layout = (config[1]! >> 3) & 15;
  return {
    ...(profile ? { profile } : {}),
    ...(rate ? { sampleRate: rate } : {}),
    ...(layout >= 1 && layout <= 7 ? { channels: layout === 7 ? 8 : layout } : {}),
  };
}
