// Memory that forms hold at this moment. An isolate has 128 MB for all its requests
// (https://developers.cloudflare.com/workers/platform/limits/#memory); past its share a form is told to come back,
// since an isolate that runs out ends every request on it.
import { AppError } from '../../shared/errors.ts';
import { MIB, uploadPartSizeBytes } from '../../shared/limits.ts';

const SHARE_BYTES = 80 * MIB;
const RETRY_AFTER_SECONDS = 5;

let heldBytes = 0;

/** Runs `work` with room for one part of a form of `formBytes`. @throws AppError `rate_limited` */
export async function withFormMemory<T>(formBytes: number, work: () => Promise<T>): Promise<T> {
  const partBytes = Math.min(formBytes, uploadPartSizeBytes(formBytes));
  if (heldBytes + partBytes > SHARE_BYTES) {
    throw new AppError('rate_limited', {
      detail: 'As many forms as there is room for are being taken in; send this one again.',
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
  heldBytes += partBytes;
  try {
    return await work();
  } finally {
    heldBytes -= partBytes;
  }
}
