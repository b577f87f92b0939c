// Objects too large to hold: read, cached and sent in aligned blocks, of which a request holds one at a time.
import { MIB } from '../../shared/limits.ts';
import { mediaCounts } from '../http/meter.ts';
import { hasBody, storageUnavailable } from '../r2.ts';
import { coalesced } from './coalesce.ts';
import type { MediaFacts, MediaObject } from './media-object.ts';
import { cacheKeyOf, fromStorage, type MediaStore } from './media-store.ts';
import type { ByteRange } from './range.ts';

/**
 * A player that seeks waits for one block; ten viewers in one isolate hold 40 of its 128 MB; a film of 2 GB fills
 * the cache by 500 reads, once.
 */
export const BLOCK_BYTES = 4 * MIB;

export function blockMedia(key: string, facts: MediaFacts, store: MediaStore): MediaObject {
  return {
    ...facts,
    body: (range) => blockBody(key, facts, range ?? { offset: 0, length: facts.sizeBytes }, store),
    discard: async () => {},
  };
}

/** The first block is read before there is a status, so that storage that fails is told as such. */
async function blockBody(
  key: string,
  facts: MediaFacts,
  range: ByteRange,
  store: MediaStore,
): Promise<ReadableStream> {
  const first = await sliceAt(key, facts, range, range.offset, store);
  const { readable, writable } = new FixedLengthStream(range.length);
  store.waitUntil(sendSlices(first, writable, (at) => sliceAt(key, facts, range, at, store), range));
  return readable;
}

/** Writes as fast as the client reads. However it ends, the answer's own length tells the client. */
async function sendSlices(
  first: Uint8Array,
  writable: WritableStream,
  sliceFrom: (at: number) => Promise<Uint8Array>,
  { offset, length }: ByteRange,
): Promise<void> {
  const writer = writable.getWriter();
  try {
    let at = offset;
    for (let slice = first; ; slice = await sliceFrom(at)) {
      await writer.write(slice);
      at += slice.byteLength;
      if (at >= offset + length) break;
    }
    await writer.close();
  } catch (error) {
    // The client has hung up, or storage failed behind the status: either way the body ends short.
    await writer.abort(error).catch(() => {});
  }
}

/** The bytes of the range from `at` to the end of their block. */
async function sliceAt(
  key: string,
  facts: MediaFacts,
  { offset, length }: ByteRange,
  at: number,
  store: MediaStore,
): Promise<Uint8Array> {
  const index = Math.floor(at / BLOCK_BYTES);
  const block = await readBlock(key, facts, index, store);
  const start = index * BLOCK_BYTES;
  return block.subarray(at - start, Math.min(offset + length - start, block.byteLength));
}

async function readBlock(
  key: string,
  facts: MediaFacts,
  index: number,
  store: MediaStore,
): Promise<Uint8Array> {
  const url = `${cacheKeyOf(key)}?block=${index}&etag=${encodeURIComponent(facts.etag)}`;
  const read = async () => {
    const cached = await store.cache.match(url);
    mediaCounts[cached ? 'edge' : 'storage'] += 1;
    if (cached) return new Uint8Array(await cached.arrayBuffer());
    const bytes = await fromStorage(() => readStoredBlock(key, facts, index, store.bucket));
    const headers = { 'Cache-Control': `public, max-age=${store.ttlSeconds}, no-transform` };
    store.waitUntil(store.cache.put(url, new Response(bytes, { headers })));
    return bytes;
  };
  return (await coalesced(url, read, store.waitUntil))!;
}

async function readStoredBlock(
  key: string,
  facts: MediaFacts,
  index: number,
  bucket: R2Bucket,
): Promise<Uint8Array<ArrayBuffer>> {
  const offset = index * BLOCK_BYTES;
  const range = { offset, length: Math.min(BLOCK_BYTES, facts.sizeBytes - offset) };
  const etagMatches = facts.etag.replaceAll('"', '');
  const part = await bucket.get(key, { range, onlyIf: { etagMatches } });
  if (!part || !hasBody(part)) throw storageUnavailable(new Error('a write-once object changed'));
  return new Uint8Array(await part.arrayBuffer());
}
