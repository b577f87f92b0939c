// The one file of a generation that holds a whole film: which rung is in it, and what is stored of it.
import { z } from 'zod';

/**
 * Highest rung that the file may hold, where there is one so low. A viewer whose cap is at least this may have the
 * file whatever rungs there are: either it holds no more, or it holds the lowest of all.
 */
export const PROGRESSIVE_RUNG = 720;

export const ProgressiveFile = z.object({
  /** Name of the rendition whose pictures it holds. */
  rendition: z.string(),
  sizeBytes: z.int(),
  sha256: z.string(),
});
export type ProgressiveFile = z.infer<typeof ProgressiveFile>;

/** @param video the ladder, smallest first, named for its rungs (`720p`), and what other encoders made */
export function progressiveRendition<T extends { name: string }>(video: readonly T[]): T | undefined {
  return (
    video.findLast(({ name }) => /^\d+p$/.test(name) && Number.parseInt(name, 10) <= PROGRESSIVE_RUNG) ??
    video[0]
  );
}
