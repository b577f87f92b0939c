// From rows to a part in R2. Rows stay until R2 has the part, so a part may be sent any number of times.
import { AppError } from '../../shared/errors.ts';
import type { Env } from '../env.ts';
import { r2FailureOf, withR2Retries } from '../r2.ts';
import { type UploadRow, uploadOf } from './store.ts';
import type { HeldBytes, NextPart } from './tus-held-bytes.ts';
import { requireTusOpen } from './tus-object.ts';

/**
 * Streams one part and gives its etag.
 *
 * @param hasEnded whether the rows may be gone, asked before each one is read
 * @throws AppError with the way the upload has ended, where R2 knows it no more
 */
export async function putHeldPart(
  env: Env,
  upload: UploadRow,
  part: NextPart,
  held: HeldBytes,
  hasEnded: () => boolean,
): Promise<string> {
  const multipart = env.MEDIA.resumeMultipartUpload(upload.object_key, upload.r2_upload_id!);
  const pour = async (writable: WritableStream) => {
    const writer = writable.getWriter();
    const end = part.start + part.sizeBytes;
    for (let position = part.start; position < end; ) {
      if (hasEnded()) throw new AppError('upload_terminated');
      const bytes = held.read(position, end);
      await writer.write(bytes);
      position += bytes.byteLength;
    }
    await writer.close();
  };
  try {
    return await withR2Retries(async () => {
      const pipe = new FixedLengthStream(part.sizeBytes);
      const stored = multipart.uploadPart(part.number, pipe.readable);
      const [{ etag }] = await Promise.all([stored, pour(pipe.writable)]);
      return etag;
    });
  } catch (error) {
    if (r2FailureOf(error) !== 'no_such_upload') throw error;
    // Somebody has ended the upload meanwhile; the ledger knows how.
    requireTusOpen(await uploadOf(env.DB, upload.id, upload.owner_id));
    throw error;
  }
}
