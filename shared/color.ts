// What the colour numbers of a picture mean (ITU-T H.273). Every rung carries the same tags, settled once in the
// plan: players guess the meaning of untagged pictures from their size, so a ladder would change colour as it is
// climbed, and tags taken from the frames could differ from chunk to chunk.
import { z } from 'zod';
import type { Size } from './ladder.ts';

/** Values as ffmpeg's options `-color_primaries`, `-color_trc` and `-colorspace` take them. */
export const Color = z.object({ primaries: z.string(), transfer: z.string(), matrix: z.string() });
export type Color = z.infer<typeof Color>;

/** What the source says of itself, in ffprobe's names. */
export type ColorTags = {
  colorPrimaries?: string | undefined;
  colorTransfer?: string | undefined;
  colorMatrix?: string | undefined;
};

export const BT709: Color = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709' };
const BT601_525: Color = { primaries: 'smpte170m', transfer: 'smpte170m', matrix: 'smpte170m' };
const BT601_625: Color = { primaries: 'bt470bg', transfer: 'smpte170m', matrix: 'bt470bg' };
const BT2020: Color = { primaries: 'bt2020', transfer: 'bt2020-10', matrix: 'bt2020nc' };

/** Matrices that are kept, each with what its pictures are when the file says no more. */
const BY_MATRIX: Record<string, Color> = {
  bt709: BT709,
  smpte170m: BT601_525,
  bt470bg: BT601_625,
  bt2020nc: BT2020,
};
const PRIMARIES = new Set(['bt709', 'smpte170m', 'bt470bg', 'bt2020', 'smpte432']);
/** ffprobe's names, and what ffmpeg's option calls the same curve. */
const TRANSFERS: Record<string, string> = {
  bt709: 'bt709',
  smpte170m: 'smpte170m',
  bt470m: 'gamma22',
  bt470bg: 'gamma28',
  'iec61966-2-1': 'iec61966-2-1',
  'bt2020-10': 'bt2020-10',
  'bt2020-12': 'bt2020-12',
};

/** Below both sides a picture without tags is taken for standard definition. */
const HD_SIZE: Size = { width: 1280, height: 720 };

/** PQ (BT.2100, Dolby Vision) and HLG. */
export function isHdrTransfer(transfer: string | undefined): boolean {
  return transfer === 'smpte2084' || transfer === 'arib-std-b67';
}

/** The tags of all output. HDR becomes BT.709; SDR keeps its pixels, and what is known of them. */
export function outputColor(tags: ColorTags, display: Size): Color {
  if (isHdrTransfer(tags.colorTransfer)) return BT709;
  const family = BY_MATRIX[tags.colorMatrix ?? ''] ?? bySize(display);
  const { colorPrimaries = '', colorTransfer = '' } = tags;
  return {
    matrix: family.matrix,
    primaries: PRIMARIES.has(colorPrimaries) ? colorPrimaries : family.primaries,
    transfer: TRANSFERS[colorTransfer] ?? family.transfer,
  };
}

function bySize({ width, height }: Size): Color {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  return long >= HD_SIZE.width || short >= HD_SIZE.height ? BT709 : BT601_525;
}
