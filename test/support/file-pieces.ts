import { PREFLIGHT_PIECE_BYTES } from '../../shared/limits.ts';
import type { Pieces } from '../../shared/preflight.ts';

/** The two pieces of a file that preflight is given. */
export function filePieces(file: Uint8Array, pieceBytes = PREFLIGHT_PIECE_BYTES): Pieces {
  const head = file.subarray(0, pieceBytes);
  const tail = file.subarray(Math.max(head.length, file.length - pieceBytes));
  return { head, tail, sizeBytes: file.length };
}
