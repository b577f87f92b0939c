// What a manifest claims of a rendition against what its bytes are. HLS variants and DASH representations claim
// the same things in other words.

import type { Size, TrackInfo } from './init-tracks.ts';
import type { ReadRendition } from './presentation.ts';
import { measuredRate } from './timing.ts';

/** HE-AAC may be signalled by nothing but its manifest (ISO/IEC 14496-3 §1.6.5.3, implicit signalling). */
const SAME_CODECS: Record<string, readonly string[]> = {
  'mp4a.40.2': ['mp4a.40.2', 'mp4a.40.5', 'mp4a.40.29', 'mp4a.40.02'],
};
const THREE_DECIMALS = 0.0006;

/** @param declared A CODECS list; @param isComplete whether it must name every track */
export function codecsProblem(
  declared: string | undefined,
  tracks: readonly TrackInfo[],
): string | undefined {
  const known = tracks.filter(({ codecs }) => codecs !== undefined);
  const actual = [...new Set(known.map(({ codecs }) => codecs!))];
  if (actual.length === 0) return undefined;
  if (declared === undefined) return `No CODECS are named; the bytes are ${actual.join()}.`;
  const named = declared.split(',').map((codec) => codec.trim());
  const missing = actual.find((codec) => !named.some((one) => isSameCodec(one, codec)));
  const isAllKnown = known.length === tracks.length;
  const extra =
    isAllKnown &&
    named.find((one) => !/^(?:wvtt|stpp)/.test(one) && !actual.some((codec) => isSameCodec(one, codec)));
  return missing || extra ? `CODECS are ${declared}, the bytes are ${actual.join()}.` : undefined;
}

function isSameCodec(declared: string, actual: string): boolean {
  const [one, other] = [declared.toLowerCase(), actual.toLowerCase()];
  if (SAME_CODECS[other]?.includes(one)) return true;
  // The optional fields of VP9 and AV1 may be left out, or stand there.
  if (/^(?:vp09|av01)/.test(other)) return one === other || one.startsWith(`${other}.`);
  return one === other;
}

/** @param size undefined where nothing is claimed */
export function sizeProblem(size: Size | undefined, track: TrackInfo | undefined): string | undefined {
  const real = [track?.codedSize, track?.size].filter((one) => one !== undefined);
  if (!size || real.length === 0) return undefined;
  const text = (one: Size) => `${one.width}x${one.height}`;
  const isSquare = track?.squareSize && text(track.squareSize) === text(size);
  const isReal = isSquare || real.every((one) => text(one) === text(size));
  return isReal
    ? undefined
    : `The picture is said to be ${text(size)}, it is ${[...new Set(real.map(text))].join(' and ')}.`;
}

export function rateProblem(declared: number, rendition: ReadRendition): string | undefined {
  const measured = measuredRate(rendition);
  if (!measured) return undefined;
  const { rate, tolerance } = measured;
  if (Math.abs(declared - rate) <= tolerance + THREE_DECIMALS) return undefined;
  return `It is said to have ${declared} frames per second, it has ${rate.toFixed(3)}.`;
}

/** @param declared such as `2` or `6/JOC` */
export function channelsProblem(declared: string, tracks: readonly TrackInfo[]): string | undefined {
  const real = tracks.find(({ kind }) => kind === 'audio')?.channels;
  if (real === undefined || Number.parseInt(declared, 10) === real) return undefined;
  return `It is said to have ${declared} channels, it has ${real}.`;
}
