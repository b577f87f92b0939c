// What a manifest claims of a rendition against what its bytes are. HLS variants and DASH representations claim
// the same things in other words.
import type { Verdict } from './findings.ts';
import type { Size, TrackInfo } from './init-tracks.ts';
import type { ReadRendition } from './presentation.ts';
import { measuredRate } from './timing.ts';

/** HE-AAC may be signalled by nothing but its manifest (ISO/IEC 14496-3 §1.6.5.3, implicit signalling). */
const SAME_CODECS: Record<string, readonly string[]> = {
  'mp4a.40.2': ['mp4a.40.2', 'mp4a.40.5', 'mp4a.40.29', 'mp4a.40.02'],
};
/** Subtitles may be named among the codecs. */
const TEXT_CODEC = /^(?:wvtt|stpp)/;
const THREE_DECIMALS = 0.0006;

const UNKNOWN: Verdict = { isKnown: false };

/** @param declared A list such as CODECS */
export function judgeCodecs(declared: string | undefined, tracks: readonly TrackInfo[]): Verdict {
  const known = tracks.flatMap(({ codecs }) => codecs ?? []);
  const actual = [...new Set(known)];
  if (actual.length === 0) return UNKNOWN;
  if (declared === undefined) return found(`No codecs are named; the bytes are ${actual.join()}.`);
  const named = declared.split(',').map((codec) => codec.trim());
  const missing = actual.find((codec) => !named.some((one) => isSameCodec(one, codec)));
  const extra = named.find(
    (one) => !TEXT_CODEC.test(one) && !actual.some((codec) => isSameCodec(one, codec)),
  );
  const isWrong = missing !== undefined || (extra !== undefined && known.length === tracks.length);
  return found(isWrong ? `The codecs are said to be ${declared}, they are ${actual.join()}.` : undefined);
}

function isSameCodec(declared: string, actual: string): boolean {
  const [one, other] = [declared.toLowerCase(), actual.toLowerCase()];
  if (SAME_CODECS[other]?.includes(one)) return true;
  // The optional fields of VP9 and AV1 may be left out, or stand there.
  if (/^(?:vp09|av01)/.test(other)) return one === other || one.startsWith(`${other}.`);
  return one === other;
}

export function judgeSize(size: Size, track: TrackInfo | undefined): Verdict {
  const real = [track?.codedSize, track?.size].filter((one) => one !== undefined);
  if (real.length === 0) return UNKNOWN;
  const text = (one: Size) => `${one.width}x${one.height}`;
  const isSquare = track?.squareSize && text(track.squareSize) === text(size);
  if (isSquare || real.every((one) => text(one) === text(size))) return found(undefined);
  const sizes = [...new Set(real.map(text))].join(' and ');
  return found(`The picture is said to be ${text(size)}, it is ${sizes}.`);
}

export function judgeRate(declared: number, rendition: ReadRendition): Verdict {
  const measured = measuredRate(rendition);
  if (!measured) return UNKNOWN;
  const { rate, tolerance } = measured;
  if (Math.abs(declared - rate) <= tolerance + THREE_DECIMALS) return found(undefined);
  return found(`It is said to have ${declared} frames per second, it has ${rate.toFixed(3)}.`);
}

/** @param declared such as `2` or `6/JOC` */
export function judgeChannels(declared: string, tracks: readonly TrackInfo[]): Verdict {
  const real = tracks.find(({ kind }) => kind === 'audio')?.channels;
  if (real === undefined) return UNKNOWN;
  const isRight = Number.parseInt(declared, 10) === real;
  return found(isRight ? undefined : `It is said to have ${declared} channels, it has ${real}.`);
}

function found(problem: string | undefined): Verdict {
  return { isKnown: true, problem };
}
