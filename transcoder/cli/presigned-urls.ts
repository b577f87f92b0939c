// The presigned addresses of an upload's parts: fetched by the dozen, used while fresh, forgotten when refused.
import type { PresignedPart } from '../../shared/api.ts';
import { PRESIGN_MAX_PARTS_PER_CALL, PRESIGN_TTL_SECONDS } from '../../shared/limits.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';

/** Old ones may run out while the part is on its way. */
const FRESH_MS = (PRESIGN_TTL_SECONDS * 1000) / 3;

export type PresignedUrls = {
  of(number: number): Promise<PresignedPart>;
  /** The address was refused, or its part is done. */
  forget(number: number): void;
};

/** @param waiting part numbers in the order they will be asked for; @param first what the creation answered */
export function presignedUrls(
  client: ApiClient,
  uploadId: string,
  waiting: number[],
  first: PresignedPart[] = [],
): PresignedUrls {
  const known = new Map<number, { part: PresignedPart; gotAtMs: number }>();
  const remember = (parts: PresignedPart[]) => {
    for (const part of parts) known.set(part.number, { part, gotAtMs: Date.now() });
  };
  remember(first);
  const freshOf = (number: number) => {
    const found = known.get(number);
    return found && Date.now() - found.gotAtMs < FRESH_MS ? found.part : undefined;
  };
  // One request at a time: the parallel parts that wait for it are in its answer.
  let fetching = Promise.resolve();
  const fetchFrom = async (number: number) => {
    if (freshOf(number)) return;
    const start = Math.max(0, waiting.indexOf(number));
    const numbers = waiting.slice(start, start + PRESIGN_MAX_PARTS_PER_CALL);
    remember(await client.presignParts(uploadId, numbers));
  };
  return {
    of: async (number) => {
      if (!freshOf(number)) {
        const mine = fetching.then(() => fetchFrom(number));
        fetching = mine.catch(() => {});
        await mine;
      }
      const part = freshOf(number);
      if (!part) throw new ApiFailure('internal', `No address was given for part ${number}.`, 500);
      return part;
    },
    forget: (number) => void known.delete(number),
  };
}
