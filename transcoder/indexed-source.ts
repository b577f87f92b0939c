// An MP4 or MOV source as its own index tells it.
import { AppError, isMediaError } from '../shared/errors.ts';
import type { IndexedSource } from '../shared/instant-timeline.ts';
import { inspectIso } from '../shared/probe/iso-boxes.ts';
import { isoStreams } from '../shared/probe/iso-streams.ts';
import type { Source } from './source.ts';

/** @throws AppError with a `media_` code, RangeError for broken tables; see {@link isRefusal}. */
export async function readIndexedSource(source: Pick<Source, 'sizeBytes' | 'read'>): Promise<IndexedSource> {
  const index = await inspectIso(source);
  return { index, streams: isoStreams(index) };
}

/** An index that nothing can be made of, as opposed to one that could not be read. */
export function isRefusal(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof AppError && isMediaError(error.code));
}
