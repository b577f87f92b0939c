// An object that is larger than memory should hold, stored part by part by its one writer.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { R2 } from './r2.ts';

type Storage = {
  client: S3Client;
  bucket: string;
  retried<T>(attempt: () => Promise<T>): Promise<T>;
  uploadPart: R2['uploadPart'];
};

/** Opening and completing move no bytes of ours. */
const TIMEOUT_MS = 30_000;

/** A writer that dies leaves its upload behind, which R2 drops after a week. */
export async function putParts(
  { client, bucket: Bucket, retried, uploadPart }: Storage,
  Key: string,
  parts: AsyncIterable<Uint8Array>,
  ContentType: string,
): Promise<void> {
  const inTime = () => ({ abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
  const create = () => client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType }), inTime());
  const { UploadId } = await retried(create);
  if (!UploadId) throw new TypeError('a multipart upload without an id');
  const Parts: { PartNumber: number; ETag: string }[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of parts) {
      const PartNumber = Parts.length + 1;
      Parts.push({ PartNumber, ETag: await uploadPart(Key, UploadId, PartNumber, part) });
      sizeBytes += part.length;
    }
    const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
    await retried(() => client.send(new CompleteMultipartUploadCommand(complete), inTime()));
  } catch (error) {
    // The reply to Complete may have been lost, and the upload is gone since it is complete.
    if (await isStored(sizeBytes)) return;
    const abort = new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
    await client.send(abort, inTime()).catch(() => undefined); // it is gone, or lapses by itself
    throw error;
  }

  async function isStored(bytes: number): Promise<boolean> {
    try {
      const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key }), inTime());
      return bytes > 0 && ContentLength === bytes;
    } catch {
      return false; // what went wrong first is what counts
    }
  }
}
