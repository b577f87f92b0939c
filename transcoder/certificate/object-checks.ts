// Is what the facts describe really stored, byte for byte?
import type { InitFacts, SegmentFacts } from '../../shared/messages.ts';
import { initName, PROGRESSIVE, segmentName } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import type { R2 } from '../r2.ts';
import type { SegmentStore } from '../segment-store.ts';
import type { FinishedTracks } from '../tracks.ts';
import type { Checklist } from './checklist.ts';

type Stored = { name: string; sizeBytes: number };
type Reread = { stem: string; facts: InitFacts | SegmentFacts };

/** One segment in this many is read back wherever it lies: 2 %. */
const SAMPLE_STRIDE = 50;

/** @param prefix Of the generation, with a trailing slash; `store` reads what lies there. */
export async function checkObjects(
  list: Checklist,
  plan: Plan,
  tracks: FinishedTracks,
  r2: Pick<R2, 'list'>,
  prefix: string,
  store: Pick<SegmentStore, 'storedInit' | 'storedSegment'>,
): Promise<void> {
  const all = [...tracks.video, ...tracks.audio];
  const sizes = new Map((await r2.list(prefix)).map(({ key, sizeBytes }) => [key, sizeBytes]));
  const { poster, sheets = [], preview } = tracks.pictures;
  const pictures: Stored[] = [poster, ...sheets, preview].filter((picture) => picture !== undefined);
  const media: Stored[] = all.flatMap(({ stem, inits, segments }) => [
    { name: initName(stem), sizeBytes: inits[0]!.sizeBytes },
    ...segments.map(({ index, sizeBytes }) => ({ name: segmentName(stem, index), sizeBytes })),
  ]);
  const { progressive } = tracks;
  const whole = progressive ? [{ name: PROGRESSIVE, sizeBytes: progressive.sizeBytes }] : [];
  const expected = [...media, ...pictures, ...whole];
  list.each('objects-present', expected, ({ name }) =>
    sizes.has(prefix + name) ? undefined : `${name} is missing`,
  );
  list.each('object-sizes', expected, ({ name, sizeBytes }) => {
    const stored = sizes.get(prefix + name);
    return stored === sizeBytes ? undefined : `${name} has ${stored} bytes, not ${sizeBytes}`;
  });

  const reread: Reread[] = all.flatMap(({ stem, inits, segments }, track) => [
    { stem, facts: inits[0]! },
    ...segments
      .filter((_, index) => isReadBack(index, { plan, track, count: segments.length }))
      .map((facts) => ({ stem, facts })),
  ]);
  // What is encrypted is decrypted to be looked at, so it can be.
  await list.eachStored('bytes-unchanged', reread, async ({ stem, facts }) => {
    const isSegment = 'index' in facts;
    const found = await (isSegment ? store.storedSegment(stem, facts.index) : store.storedInit(stem));
    const name = isSegment ? segmentName(stem, facts.index) : initName(stem);
    return sameFacts(found, facts) ? undefined : `${name} is not what its task reported`;
  });
}

/** The ends, the joints between chunks, and a sample: the same in every attempt, another one for each track. */
export function isReadBack(
  index: number,
  { plan, track, count }: { plan: Pick<Plan, 'chunks'>; track: number; count: number },
): boolean {
  const isEnd = index === 0 || index === count - 1;
  const isJoint = plan.chunks.some(({ firstSegment }) => firstSegment === index);
  return isEnd || isJoint || (index + track) % SAMPLE_STRIDE === 0;
}

function sameFacts(found: InitFacts | SegmentFacts, reported: InitFacts | SegmentFacts): boolean {
  const keys = Object.keys(found) as (keyof typeof found)[];
  return keys.every((key) => JSON.stringify(found[key]) === JSON.stringify((reported as typeof found)[key]));
}
