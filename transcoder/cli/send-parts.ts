// The bytes of one upload: a few parts at a time, each retried on its own, none sent again that was acknowledged.
import type { PresignedPart, UploadMethod } from '../../shared/api.ts';
import { expectedPartSizeBytes } from '../../shared/limits.ts';
import { type ApiClient, ApiFailure, type Body } from './api-client.ts';
import { fileSlice } from './file-slice.ts';
import { type PresignedUrls, presignedUrls } from './presigned-urls.ts';
import { type RetryOptions, withRetries } from './retry.ts';

export type PartsToSend = {
  uploadId: string;
  method: UploadMethod;
  path: string;
  sizeBytes: number;
  partSizeBytes: number;
  partCount: number;
  /** Numbers of the parts the server holds. */
  held: ReadonlySet<number>;
  /** Presigned addresses that came with the creation. */
  firstUrls: PresignedPart[];
  parallelParts: number;
  retry: RetryOptions;
  /** Told the bytes of the whole file that are there or on their way. */
  onBytes: (sentBytes: number) => void;
  /** Remembers an etag of storage until the API has been told; undefined forgets it. */
  keepEtag: (number: number, etag: string | undefined) => Promise<void>;
};

export async function sendParts(client: ApiClient, parts: PartsToSend): Promise<void> {
  const sent = new Map<number, number>();
  const tell = (number: number, bytes: number) => {
    sent.set(number, bytes);
    parts.onBytes([...sent.values()].reduce((sum, partBytes) => sum + partBytes, 0));
  };
  const waiting: number[] = [];
  for (let number = 1; number <= parts.partCount; number += 1) {
    if (parts.held.has(number)) tell(number, sizeOf(parts, number));
    else waiting.push(number);
  }
  const urls = presignedUrls(client, parts.uploadId, waiting, parts.firstUrls);
  await inParallel(waiting, parts.parallelParts, async (number) => {
    const offset = (number - 1) * parts.partSizeBytes;
    const body = fileSlice(parts.path, offset, sizeOf(parts, number), (bytes) => tell(number, bytes));
    if (parts.method === 'presigned') await sendPresigned(client, parts, urls, number, body);
    else await sendThroughEdge(client, parts, number, body);
    tell(number, sizeOf(parts, number));
  });
}

function sizeOf({ sizeBytes, partSizeBytes }: PartsToSend, number: number): number {
  return expectedPartSizeBytes(number, sizeBytes, partSizeBytes);
}

async function sendThroughEdge(
  client: ApiClient,
  { uploadId, method, retry }: PartsToSend,
  number: number,
  body: Body,
): Promise<void> {
  await withRetries(async (count) => {
    // Only the answer may have been lost: asking costs less than a part.
    if (count > 1 && (await heldParts(client, uploadId)).has(number)) return;
    if (method === 'single') await client.putContent(uploadId, body);
    else await client.putPart(uploadId, number, body);
  }, retry);
}

async function sendPresigned(
  client: ApiClient,
  { uploadId, retry, keepEtag }: PartsToSend,
  urls: PresignedUrls,
  number: number,
  body: Body,
): Promise<void> {
  const etag = await withRetries(async () => {
    const address = await urls.of(number);
    try {
      return await client.putPresigned(address, body);
    } catch (error) {
      urls.forget(number);
      throw error;
    }
  }, retry);
  // Storage has it; from here on nothing may cost the bytes again.
  await keepEtag(number, etag);
  await withRetries(() => client.reportPart(uploadId, number, etag), retry);
  await keepEtag(number, undefined);
}

/** @throws ApiFailure `upload_not_open` when the upload takes no bytes any more */
async function heldParts(client: ApiClient, uploadId: string): Promise<Set<number>> {
  const { state, parts } = await client.upload(uploadId);
  if (state !== 'created' && state !== 'receiving')
    throw new ApiFailure('upload_not_open', `The upload is ${state}.`, 409);
  return new Set(parts.map(({ number }) => number));
}

/** Runs `work` over all items, a few at a time; the first failure stops new ones from starting. */
async function inParallel<T>(items: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  let hasFailed = false;
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined && !hasFailed; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  // All lanes are waited for: a part that is acknowledged while another fails still counts.
  const lanes = await Promise.allSettled(Array.from({ length: width }, lane));
  for (const result of lanes) if (result.status === 'rejected') throw result.reason;
}
