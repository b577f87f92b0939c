// Which sources are taken on, told by numbers alone.
import { AppError } from './errors.ts';
import { evenSize, type Size } from './ladder.ts';
import { MEDIA_LIMITS } from './limits.ts';
import type { Rational } from './timeline.ts';

export type PictureShape = {
  codedWidth: number;
  codedHeight: number;
  /** Sample aspect ratio. */
  sar: Rational;
  /** Clockwise turn a player must apply. */
  rotationDegrees: 0 | 90 | 180 | 270;
};

/** What a viewer sees: sample aspect ratio and rotation applied, both sides even. */
export function displaySize(picture: PictureShape): Size {
  const stretched = picture.codedWidth * (picture.sar.num / picture.sar.den);
  const isTurned = picture.rotationDegrees === 90 || picture.rotationDegrees === 270;
  const width = isTurned ? picture.codedHeight : stretched;
  const height = isTurned ? stretched : picture.codedHeight;
  return evenSize({ width, height });
}

/** @throws AppError media_too_many_streams */
export function refuseStreamCount(streamCount: number): void {
  if (streamCount > MEDIA_LIMITS.maxStreams) {
    throw new AppError('media_too_many_streams', {
      detail: `The file has ${streamCount} streams; at most ${MEDIA_LIMITS.maxStreams} are accepted.`,
    });
  }
}

/** @throws AppError media_too_many_streams, media_invalid_dimensions or media_too_large */
export function refuseSourceSize(picture: PictureShape, streamCount: number): void {
  refuseStreamCount(streamCount);
  const { codedWidth, codedHeight } = picture;
  if (codedWidth < 1 || codedHeight < 1) {
    throw new AppError('media_invalid_dimensions', {
      detail: `The file declares a picture of ${codedWidth}x${codedHeight} pixels.`,
    });
  }
  const shown = displaySize(picture);
  const isTooLarge =
    Math.max(codedWidth, shown.width) > MEDIA_LIMITS.maxWidth ||
    Math.max(codedHeight, shown.height) > MEDIA_LIMITS.maxHeight ||
    Math.max(codedWidth * codedHeight, shown.width * shown.height) > MEDIA_LIMITS.maxPixels;
  if (isTooLarge) {
    throw new AppError('media_too_large', {
      detail: `The picture is ${codedWidth}x${codedHeight} pixels${shownAs(picture)}; ${PICTURE_LIMIT}`,
    });
  }
  if (Math.min(shown.width, shown.height) < MEDIA_LIMITS.minSidePixels) {
    throw new AppError('media_invalid_dimensions', {
      detail: `The picture is ${shown.width}x${shown.height} pixels; both sides must be at least ${MEDIA_LIMITS.minSidePixels}.`,
    });
  }
}

/** @throws AppError media_too_short, media_too_long or media_malformed */
export function refuseSourceLength(length: {
  videoSeconds: number;
  durationSeconds: number;
  sizeBytes: number;
}): void {
  if (!(length.videoSeconds > 0)) {
    throw new AppError('media_too_short', { detail: 'The video lasts no time at all.' });
  }
  if (!(length.durationSeconds <= MEDIA_LIMITS.maxDurationSeconds)) {
    throw new AppError('media_too_long', {
      detail: `The video claims ${Math.round(length.durationSeconds)} seconds; at most ${MEDIA_LIMITS.maxDurationSeconds} are accepted.`,
    });
  }
  if ((length.sizeBytes * 8) / length.durationSeconds < MEDIA_LIMITS.minBitrateBps) {
    throw new AppError('media_malformed', {
      detail: `The file claims ${Math.round(length.durationSeconds)} seconds but holds only ${length.sizeBytes} bytes; at least ${MEDIA_LIMITS.minBitrateBps} bits per second are expected.`,
    });
  }
}

/** @throws AppError media_frame_rate_too_high */
export function refuseFrameRate(averageFps: number): void {
  if (averageFps <= MEDIA_LIMITS.maxFramesPerSecond) return;
  throw new AppError('media_frame_rate_too_high', {
    detail: `The video has ${Math.round(averageFps)} pictures per second; at most ${MEDIA_LIMITS.maxFramesPerSecond} are accepted.`,
  });
}

const PICTURE_LIMIT = `at most ${MEDIA_LIMITS.maxWidth} on each side and ${MEDIA_LIMITS.maxPixels} in all are accepted.`;

function shownAs(picture: PictureShape): string {
  const { width, height } = displaySize(picture);
  const isOther = Math.abs(width - picture.codedWidth) > 1 || Math.abs(height - picture.codedHeight) > 1;
  return isOther ? `, shown as ${width}x${height}` : '';
}
