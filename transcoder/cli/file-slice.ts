// A range of a file as a request body that is read again from its start on every attempt.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Body } from './api-client.ts';

/** Small enough that a slow line still moves something every few seconds. */
const READ_BYTES = 64 * 1024;
const HASH_BYTES = 1024 * 1024;

/** @param onRead told how much of this attempt's body has been read */
export function fileSlice(
  path: string,
  offset: number,
  sizeBytes: number,
  onRead: (bytes: number) => void,
): Body {
  const range = { start: offset, end: offset + sizeBytes - 1, highWaterMark: READ_BYTES };
  async function* chunks() {
    let read = 0;
    onRead(0);
    if (sizeBytes === 0) return;
    for await (const chunk of createReadStream(path, range)) {
      yield chunk as Uint8Array;
      read += chunk.length;
      onRead(read);
    }
  }
  return {
    sizeBytes,
    stream: () => ReadableStream.from(chunks()) as ReadableStream<Uint8Array>,
    digest: async (algorithm) => {
      const hash = createHash(algorithm);
      const bytes = sizeBytes === 0 ? [] : createReadStream(path, { ...range, highWaterMark: HASH_BYTES });
      for await (const chunk of bytes) hash.update(chunk as Uint8Array);
      return hash.digest('base64');
    },
  };
}
