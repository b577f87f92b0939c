// Memory that forms hold at this moment. An isolate has 128 MB for all its requests
// (https://developers.cloudflare.com/workers/platform/limits/#memory) and ends every one of them when it runs out: past
// their share forms wait, unread, and are told to come back if that takes long.
import { AppError } from '../../shared/errors.ts';
import { MIB, SECOND_MS, uploadPartSizeBytes } from '../../shared/limits.ts';

const SHARE_BYTES = 80 * MIB;
/** Forms that hold less than this are let in whatever the others hold. */
const SMALL_BYTES = MIB;
const PATIENCE_MS = 30 * SECOND_MS;
/** Asked again and again: a request must not wake another one's. */
const ASK_MS = 250;
const RETRY_AFTER_SECONDS = 5;

let heldBytes = 0;

/** Runs `work` with room for one part of a form of `formBytes`. @throws AppError `rate_limited` */
export async function withFormMemory<T>(
  formBytes: number,
  work: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const partBytes = Math.min(formBytes, uploadPartSizeBytes(formBytes));
  const hasRoom = () => partBytes <= SMALL_BYTES || heldBytes + partBytes <= SHARE_BYTES;
  for (let waitedMs = 0; !hasRoom(); waitedMs += ASK_MS) {
    if (waitedMs >= patienceMs) throw noRoom();
    await scheduler.wait(ASK_MS);
  }
  heldBytes += partBytes;
  try {
    return await work();
  } finally {
    heldBytes -= partBytes;
  }
}

function noRoom(): AppError {
  return new AppError('rate_limited', {
    detail: 'As many forms as there is room for are being taken in; send this one again.',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
