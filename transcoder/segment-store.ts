// Where a track's init and segments go, encrypted where the generation is. Keys are write-once and the first PUT
// wins: whoever comes later takes the facts of what is stored.
import { createHash } from 'node:crypto';
import { AppError } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { InitFacts, SegmentFacts } from '../shared/messages.ts';
import { contentTypeOf, initName, segmentName } from '../shared/object-keys.ts';
import type { Encryption } from './encryption.ts';
import { initFacts } from './isobmff/init.ts';
import { segmentFacts } from './isobmff/segment.ts';
import type { R2 } from './r2.ts';

export type SegmentStore = {
  /**
   * Stores a track's init segment, or agrees with the one that is stored.
   *
   * @throws AppError init_mismatch where another encoder stored a different one.
   */
  putInit(stem: string, bytes: Uint8Array): Promise<InitFacts>;
  putSegment(stem: string, index: number, bytes: Uint8Array): Promise<SegmentFacts>;
  storedInit(stem: string): Promise<InitFacts>;
  storedSegment(stem: string, index: number): Promise<SegmentFacts>;
  /** Bytes as they were before encryption. */
  clearInit(stem: string): Promise<Uint8Array>;
  clearSegment(stem: string, index: number): Promise<Uint8Array>;
};

/**
 * @param prefix Of the generation, with a trailing slash.
 * @param encryption Undefined where bytes are stored as they are.
 */
export function createSegmentStore(
  r2: Pick<R2, 'putOnce' | 'get'>,
  prefix: string,
  log: Log,
  encryption: Encryption | undefined,
): SegmentStore {
  const put = (name: string, bytes: Uint8Array) =>
    r2.putOnce(prefix + name, bytes, contentTypeOf(name) ?? 'application/octet-stream');
  const get = (name: string) => r2.get(prefix + name);
  const openInit = (stored: Uint8Array) => encryption?.openInit(stored) ?? stored;
  const openSegment = async (index: number, stored: Uint8Array) =>
    (await encryption?.openSegment(index, stored)) ?? stored;

  const storedInit = async (stem: string): Promise<InitFacts> => {
    const stored = await get(initName(stem));
    return { ...initFacts(openInit(stored)), ...storedAs(stored) };
  };
  const factsOf = (index: number, clear: Uint8Array, stored: Uint8Array): SegmentFacts => {
    const facts = { ...segmentFacts(index, clear), ...storedAs(stored) };
    // Places in clear bytes are none in what is stored.
    if (encryption) delete facts.keyRanges;
    return facts;
  };

  return {
    async putInit(stem, bytes) {
      const sealed = encryption?.sealInit(stem, bytes) ?? bytes;
      const facts = { ...initFacts(bytes), ...storedAs(sealed) };
      if ((await put(initName(stem), sealed)) === 'stored') return facts;
      const stored = await storedInit(stem);
      if (stored.sha256 !== facts.sha256) {
        throw new AppError('init_mismatch', {
          detail: `The init segment of ${stem} differs from the stored one.`,
        });
      }
      return stored;
    },
    async putSegment(stem, index, bytes) {
      const name = segmentName(stem, index);
      const sealed = (await encryption?.sealSegment(stem, index, bytes)) ?? bytes;
      const outcome = await put(name, sealed);
      log.info('segment.stored', { stem, segment: index, sizeBytes: sealed.length, outcome });
      if (outcome === 'stored') return factsOf(index, bytes, sealed);
      const stored = await get(name);
      return factsOf(index, await openSegment(index, stored), stored);
    },
    storedInit,
    async storedSegment(stem, index) {
      const stored = await get(segmentName(stem, index));
      return factsOf(index, await openSegment(index, stored), stored);
    },
    clearInit: async (stem) => openInit(await get(initName(stem))),
    clearSegment: async (stem, index) => openSegment(index, await get(segmentName(stem, index))),
  };
}

function storedAs(bytes: Uint8Array): { sizeBytes: number; sha256: string } {
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
