// Where a track's init and segments go. Keys are write-once and the first PUT wins: whoever comes later takes
// the facts of what is stored.
import { AppError } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { InitFacts, SegmentFacts } from '../shared/messages.ts';
import { contentTypeOf, initName, segmentName } from '../shared/object-keys.ts';
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
};

/** @param prefix Of the generation, with a trailing slash. */
export function createSegmentStore(r2: R2, prefix: string, log: Log): SegmentStore {
  const put = (name: string, bytes: Uint8Array) =>
    r2.putOnce(prefix + name, bytes, contentTypeOf(name) ?? 'application/octet-stream');
  const get = (name: string) => r2.get(prefix + name);
  return {
    async putInit(stem, bytes) {
      const facts = initFacts(bytes);
      if ((await put(initName(stem), bytes)) === 'stored') return facts;
      const stored = initFacts(await get(initName(stem)));
      if (stored.sha256 !== facts.sha256) {
        throw new AppError('init_mismatch', {
          detail: `The init segment of ${stem} differs from the stored one.`,
        });
      }
      return stored;
    },
    async putSegment(stem, index, bytes) {
      const name = segmentName(stem, index);
      const outcome = await put(name, bytes);
      log.info('segment.stored', { stem, segment: index, sizeBytes: bytes.length, outcome });
      return segmentFacts(index, outcome === 'stored' ? bytes : await get(name));
    },
    storedInit: async (stem) => initFacts(await get(initName(stem))),
    storedSegment: async (stem, index) => segmentFacts(index, await get(segmentName(stem, index))),
  };
}
