// Pictures of a generation: stored once, and what is stored of them.
import { contentTypeOf } from '../shared/object-keys.ts';
import type { TaskContext } from './task-context.ts';

export type StoredPicture = { name: string; sizeBytes: number };

/** What is stored beside the tracks; what could not be made is absent. */
export type Pictures = { poster?: StoredPicture; sheets?: StoredPicture[]; preview?: StoredPicture };

/** Stores a picture. Where an earlier attempt was first, its picture is the one that counts. */
export async function storePicture(
  context: Pick<TaskContext, 'claim' | 'r2'>,
  name: string,
  bytes: Uint8Array,
): Promise<StoredPicture> {
  const key = context.claim.job.outputPrefix + name;
  const type = contentTypeOf(name) ?? 'application/octet-stream';
  if ((await context.r2.putOnce(key, bytes, type)) === 'stored') return { name, sizeBytes: bytes.length };
  const stored = await context.r2.head(key);
  return { name, sizeBytes: stored?.sizeBytes ?? bytes.length };
}
