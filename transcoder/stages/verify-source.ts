// The declared checksum of a source, where storage has not checked it: one more read of the whole object, in
// pieces. It costs one task the source's size over R2's rate; what SHA-256 itself takes is hidden behind that.
import { createHash } from 'node:crypto';
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import type { TaskContext } from '../task-context.ts';

/** Two of these are in memory: one being hashed, the next on its way. */
const PIECE_BYTES = 8 * MIB;

/** @throws AppError `upload_checksum_mismatch`; nothing of such a source may be published. */
export async function verifySource({
  claim,
  r2,
  signal,
}: Pick<TaskContext, 'claim' | 'r2' | 'signal'>): Promise<void> {
  const { key, etag, sizeBytes, sha256 } = claim.job.source;
  if (sha256 === undefined) return;
  const begin = (offset: number) => {
    const piece = r2.getRange(key, offset, Math.min(PIECE_BYTES, sizeBytes - offset), etag);
    // Its failure is heard when its turn comes, not before.
    piece.catch(() => undefined);
    return piece;
  };
  const hash = createHash('sha256');
  let next = begin(0);
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
    signal.throwIfAborted();
    const piece = await next;
    if (offset + PIECE_BYTES < sizeBytes) next = begin(offset + PIECE_BYTES);
    hash.update(piece);
  }
  if (hash.digest('hex') !== sha256) {
    throw new AppError('upload_checksum_mismatch', {
      detail: 'The bytes that arrived do not have the SHA-256 that was declared; upload the file again.',
    });
  }
}
