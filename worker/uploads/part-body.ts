// The body of one PUT on its way into R2: streamed, never held in memory but for its last piece. That one waits
// until the whole is known to be what it should be; without it nothing is stored.
import { AppError } from '../../shared/errors.ts';
import { KIB } from '../../shared/limits.ts';
import { r2FailureOf, storageUnavailable } from '../r2.ts';
import { type BodyChecksum, ChecksumCheck } from './body-checksum.ts';
import { drainBody, type Pieces, piecesOf } from './drain-body.ts';
import type { PartClaim } from './part-claims.ts';

export type ExpectedBody = {
  sizeBytes: number;
  /** What a body of another size is called. */
  mismatch: 'upload_size_mismatch' | 'upload_part_size_mismatch';
  checksum: BodyChecksum | undefined;
};

/**
 * A Content-Length header proves nothing about the bytes that follow, so the stream insists on the length. Not
 * repeated on failure: the bytes are gone.
 */
export async function storeBody<T>(
  request: Request,
  expected: ExpectedBody,
  claim: PartClaim,
  store: (body: ReadableStream) => Promise<T>,
): Promise<T> {
  const exact = new FixedLengthStream(expected.sizeBytes);
  const check = expected.checksum && new ChecksumCheck(expected.checksum);
  const [poured, stored] = await Promise.allSettled([
    pour(request.body, exact.writable, check, claim),
    store(exact.readable),
  ]);
  if (stored.status === 'fulfilled' && poured.status === 'fulfilled') return stored.value;

  const reasons = [poured, stored].flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const verdict = reasons.find((reason) => reason instanceof AppError);
  if (verdict) throw verdict;
  const cause = reasons.at(-1);
  const failure = stored.status === 'rejected' ? r2FailureOf(stored.reason) : undefined;
  if (failure === 'bad_digest') throw new AppError('upload_checksum_mismatch', { cause });
  if (failure === 'no_such_upload') throw new AppError('upload_not_open', { cause });
  // A body that just stops is the client's; anything else that goes wrong after it was read is storage's.
  const isBodyAtFault =
    reasons.some(isLengthError) || (poured.status === 'rejected' && failure === undefined);
  if (!isBodyAtFault) throw storageUnavailable(cause);
  throw new AppError(expected.mismatch, {
    detail: `The body does not have ${expected.sizeBytes} bytes.`,
    cause,
  });
}

async function pour(
  body: ReadableStream<Uint8Array> | null,
  writable: WritableStream,
  check: ChecksumCheck | undefined,
  claim: PartClaim,
): Promise<void> {
  const reader = body && readerOf(body);
  const writer = writable.getWriter();
  // Heard of by the write that fails; nobody needs to hear of it twice.
  writer.closed.catch(() => undefined);
  try {
    let last: Uint8Array | undefined;
    for (;;) {
      claim.waitsForClient(true);
      const piece = await reader?.next();
      claim.waitsForClient(false);
      if (piece === undefined) break;
      if (last) await writer.write(last);
      await check?.add(piece);
      last = piece;
    }
    if (check && !(await check.holds())) throw new AppError('upload_checksum_mismatch');
    await claim.requireHeld();
    if (last) await writer.write(last);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    if (reader) await drainBody(reader);
    throw error;
  }
}

/** Each piece crosses into script and back, which costs more than its bytes; a slow client must still be heard. */
const MIN_PIECE_BYTES = 64 * KIB;
const MAX_PIECE_BYTES = 256 * KIB;

export function readerOf(body: ReadableStream<Uint8Array>): Pieces {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: 'byob' });
  } catch {
    // A stream made by script, as tests do: it comes in pieces of its own.
    return piecesOf(body);
  }
  return {
    next: async () => {
      const { value } = await reader.readAtLeast(MIN_PIECE_BYTES, new Uint8Array(MAX_PIECE_BYTES));
      return value?.byteLength ? value : undefined;
    },
    cancel: () => reader.cancel(),
  };
}

function isLengthError(reason: unknown): boolean {
  return reason instanceof TypeError && reason.message.includes('FixedLengthStream');
}
