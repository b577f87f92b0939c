// Numbers the platform or the product sets, each with its source.

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const TIB = 1024 * GIB;

export const SECOND_MS = 1000;
export const MINUTE_SECONDS = 60;
export const HOUR_SECONDS = 60 * MINUTE_SECONDS;
export const DAY_SECONDS = 24 * HOUR_SECONDS;

/** Cloudflare's edge refuses bodies over 100 MB before the Worker runs; we stay below it.
 * https://developers.cloudflare.com/workers/platform/limits/#request-limits */
export const EDGE_BODY_LIMIT_BYTES = 95 * MIB;

/** https://developers.cloudflare.com/r2/platform/limits/ */
export const R2_MAX_PARTS = 10_000;
export const R2_MAX_PART_BYTES = 5 * GIB;
export const R2_MAX_OBJECT_BYTES = 4.995 * TIB;

export const MIN_UPLOAD_PART_BYTES = 8 * MIB;
/** Edge multipart is bounded by parts × body limit; 900 GiB leaves room. */
export const EDGE_MULTIPART_MAX_BYTES = 900 * GIB;
export const PRESIGN_MAX_PARTS_PER_CALL = 50;
export const PRESIGN_TTL_SECONDS = 15 * MINUTE_SECONDS;
/** Of an upload nothing comes for: each part that arrives begins it anew, and so do presigned URLs. */
export const UPLOAD_TTL_SECONDS = DAY_SECONDS;
/** Of a tus upload that has not received a byte: its client may never have heard of it. */
export const EMPTY_TUS_TTL_SECONDS = HOUR_SECONDS;
/** R2 aborts a multipart upload a week after it began, whatever still comes.
 * https://developers.cloudflare.com/r2/objects/multipart-objects/ */
export const UPLOAD_MAX_AGE_SECONDS = 7 * DAY_SECONDS;

/** Bytes read from the start of an object to tell its container. */
export const SNIFF_BYTES = 64 * KIB;

/** Bytes of either end of a file that preflight looks at. */
export const PREFLIGHT_PIECE_BYTES = 256 * KIB;

/** What a source may be. Above it the file is refused with a media_ code. */
export const MEDIA_LIMITS = {
  maxWidth: 8192,
  maxHeight: 8192,
  maxPixels: 8192 * 4352,
  minSidePixels: 16,
  maxDurationSeconds: 12 * HOUR_SECONDS,
  minBitrateBps: 1000,
  maxStreams: 32,
  maxFramesPerSecond: 240,
} as const;

/** The size of every part but the last, equal for the whole upload as R2 demands. */
export function uploadPartSizeBytes(sizeBytes: number): number {
  const smallest = Math.max(MIN_UPLOAD_PART_BYTES, Math.ceil(sizeBytes / R2_MAX_PARTS));
  return Math.ceil(smallest / MIB) * MIB;
}

/** The largest file a method takes where one request body may have `bodyLimitBytes`. */
export function maxSizeBytes(
  method: 'single' | 'multipart' | 'presigned' | 'tus',
  bodyLimitBytes: number,
): number {
  if (method === 'presigned') return Math.floor(R2_MAX_OBJECT_BYTES);
  if (method === 'single') return bodyLimitBytes;
  // Its parts are made here, of bodies of any size.
  if (method === 'tus') return EDGE_MULTIPART_MAX_BYTES;
  // Parts are whole MiB, so that is what a body is good for; below the smallest part all fits into one body.
  const largestPartBytes = Math.floor(bodyLimitBytes / MIB) * MIB;
  if (largestPartBytes < MIN_UPLOAD_PART_BYTES) return bodyLimitBytes;
  return Math.min(EDGE_MULTIPART_MAX_BYTES, R2_MAX_PARTS * largestPartBytes);
}

/** Size of part `number` (from 1) of an upload: equal parts, the last one smaller or equal. */
export function expectedPartSizeBytes(number: number, sizeBytes: number, partSizeBytes: number): number {
  return Math.min(partSizeBytes, sizeBytes - (number - 1) * partSizeBytes);
}
