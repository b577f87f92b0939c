// The encoding ladder: rows are data, picking from them is a pure function of the display size.
import { z } from 'zod';
import { ExtraEncoder } from './encoder.ts';

/** One rung. `shortSidePixels` counts the shorter side, so portrait video gets the same rungs. */
export const LadderRow = z.object({
  shortSidePixels: z.int().min(16).max(4320),
  /** Ceiling of the rung (VBV maxrate), bits per second. */
  maxBitrateBps: z.int().min(50_000).max(100_000_000),
});
export type LadderRow = z.infer<typeof LadderRow>;

/** A row of the ladder of another encoder, which is made beside the one of H.264. */
export const ExtraRung = LadderRow.extend({ encoder: ExtraEncoder });
export type ExtraRung = z.infer<typeof ExtraRung>;

export const DEFAULT_LADDER: readonly LadderRow[] = [
  { shortSidePixels: 240, maxBitrateBps: 400_000 },
  { shortSidePixels: 360, maxBitrateBps: 800_000 },
  { shortSidePixels: 480, maxBitrateBps: 1_400_000 },
  { shortSidePixels: 720, maxBitrateBps: 2_800_000 },
  { shortSidePixels: 1080, maxBitrateBps: 5_000_000 },
  { shortSidePixels: 1440, maxBitrateBps: 8_000_000 },
  { shortSidePixels: 2160, maxBitrateBps: 14_000_000 },
];

/** A rung above the row below it must have this many times its pixels to be worth having. */
const MIN_PIXEL_RATIO = 1.3;

export type Size = { width: number; height: number };
export type Rung = Size & { name: string; maxBitrateBps: number };

/**
 * The rungs for a picture of `display` pixels, smallest first, never above the source. A source between rows
 * gets a top rung of its own size, its cap interpolated by pixels; that rung replaces the row below when it has
 * less than 1.3 times its pixels. A source below every row gets one rung of its own size.
 */
export function pickRungs(display: Size, ladder: readonly LadderRow[] = DEFAULT_LADDER): Rung[] {
  const source = evenSize(display);
  const sourceShort = Math.min(source.width, source.height);
  const rows = ladder
    .map((row) => ({ ...row, shortSidePixels: evenSide(row.shortSidePixels) }))
    .sort((a, b) => a.shortSidePixels - b.shortSidePixels)
    // Two rows of one even size are one picture, and would write the same files twice.
    .filter((row, index, all) => row.shortSidePixels !== all[index + 1]?.shortSidePixels);
  const below = rows.filter((row) => row.shortSidePixels < sourceShort);
  const equal = rows.find((row) => row.shortSidePixels === sourceShort);
  const above = rows.find((row) => row.shortSidePixels > sourceShort);

  const rungs = below.map((row) => rung(scaleToShortSide(source, row.shortSidePixels), row.maxBitrateBps));
  if (equal) return [...rungs, rung(source, equal.maxBitrateBps)];
  if (!above) return rungs; // larger than the whole ladder: the highest row is the top

  const own = rung(source, interpolateCap(source, below.at(-1), above));
  return [...rungs.filter((lower) => pixels(own) >= MIN_PIXEL_RATIO * pixels(lower)), own];
}

function interpolateCap(source: Size, below: LadderRow | undefined, above: LadderRow): number {
  const at = pixels(source);
  const high = pixels(scaleToShortSide(source, above.shortSidePixels));
  const low = below ? pixels(scaleToShortSide(source, below.shortSidePixels)) : 0;
  const lowCap = below?.maxBitrateBps ?? 0;
  const cap = lowCap + ((above.maxBitrateBps - lowCap) * (at - low)) / (high - low);
  return Math.max(50_000, Math.round(cap / 1000) * 1000);
}

/** Scales to the given short side; both sides are even and at least 2, as 4:2:0 needs. */
export function scaleToShortSide(size: Size, shortSidePixels: number): Size {
  const factor = shortSidePixels / Math.min(size.width, size.height);
  return evenSize({ width: size.width * factor, height: size.height * factor });
}

export function evenSize(size: Size): Size {
  return { width: evenSide(size.width), height: evenSide(size.height) };
}

function evenSide(pixels: number): number {
  return Math.max(2, 2 * Math.round(pixels / 2));
}

function rung(size: Size, maxBitrateBps: number): Rung {
  return { name: `${Math.min(size.width, size.height)}p`, ...size, maxBitrateBps };
}

function pixels(size: Size): number {
  return size.width * size.height;
}
