// What a container (or a prober) says of one stream, before anything is made of it.
import type { AudioPurpose } from '../manifest-tracks.ts';
import type { Rational } from '../timeline.ts';

export type StreamFacts = {
  /** Position in the file, as ffmpeg counts. */
  index: number;
  kind: 'video' | 'audio' | 'other';
  /** ffprobe's name of the codec; absent where nobody knows one. */
  codec?: string;
  /** The container's own name of the codec. */
  codecTag?: string;
  profile?: string;
  /** The record a decoder must have first (`avcC` and its kin). */
  configuration?: Uint8Array;
  /** The container's own number of the track. */
  trackId?: number;
  /** Coded pixels; 0 where nothing is said. */
  width: number;
  height: number;
  sar?: Rational;
  /** Clockwise turn a player must apply. */
  rotationDegrees: 0 | 90 | 180 | 270;
  /** Shown mirrored left to right, before it is turned. */
  isMirrored?: boolean;
  pixelFormat?: string;
  /** Colour tags in ffprobe's names. */
  colorPrimaries?: string;
  colorTransfer?: string;
  colorMatrix?: string;
  isInterlaced: boolean;
  /** What a header says of the pace. */
  declaredFps?: number;
  sampleRate: number;
  channels: number;
  language?: string;
  /** Of sound beside the film's own. */
  purpose?: AudioPurpose;
  isDefault: boolean;
  /** Cover art, chapter pictures. */
  isStill: boolean;
};

/** What a transformation matrix (x' = ax + cy, y' = bx + dy, y downwards) does to a picture. */
export function orientationOf([a, b, c, d]: readonly [number, number, number, number]): Pick<
  StreamFacts,
  'rotationDegrees' | 'isMirrored'
> {
  const isMirrored = a * d - b * c < 0;
  const scale = { x: Math.hypot(a, c) || 1, y: Math.hypot(b, d) || 1 };
  const sign = isMirrored ? -1 : 1;
  const degrees = (Math.atan2((sign * b) / scale.y, (sign * a) / scale.x) * 180) / Math.PI;
  return { rotationDegrees: quarterTurn(degrees), ...(isMirrored && { isMirrored }) };
}

/** The nearest quarter turn, clockwise. */
export function quarterTurn(clockwiseDegrees: number): StreamFacts['rotationDegrees'] {
  const quarters = Math.round(clockwiseDegrees / 90);
  return ([0, 90, 180, 270] as const)[((quarters % 4) + 4) % 4] ?? 0;
}
