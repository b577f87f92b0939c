// Is what the facts describe really stored, byte for byte?
import type { InitFacts, SegmentFacts } from '../../shared/messages.ts';
import { initName, segmentName } from '../../shared/object-keys.ts';
import { initFacts } from '../isobmff/init.ts';
import { segmentFacts } from '../isobmff/segment.ts';
import type { R2 } from '../r2.ts';
import type { FinishedTracks } from '../tracks.ts';
import type { Checklist } from './checklist.ts';

type Stored = { name: string; sizeBytes: number };
type Reread = { name: string; facts: InitFacts | SegmentFacts };

/** @param prefix Of the generation, with a trailing slash. */
export async function checkObjects(
  list: Checklist,
  tracks: FinishedTracks,
  r2: Pick<R2, 'list' | 'get'>,
  prefix: string,
): Promise<void> {
  const all = [...tracks.video, ...tracks.audio];
  const sizes = new Map((await r2.list(prefix)).map(({ key, sizeBytes }) => [key, sizeBytes]));
  const expected: Stored[] = all.flatMap(({ stem, inits, segments }) => [
    { name: initName(stem), sizeBytes: inits[0]!.sizeBytes },
    ...segments.map(({ index, sizeBytes }) => ({ name: segmentName(stem, index), sizeBytes })),
  ]);
  list.each('objects-present', expected, ({ name }) =>
    sizes.has(prefix + name) ? undefined : `${name} is missing`,
  );
  list.each('object-sizes', expected, ({ name, sizeBytes }) => {
    const stored = sizes.get(prefix + name);
    return stored === sizeBytes ? undefined : `${name} has ${stored} bytes, not ${sizeBytes}`;
  });

  const reread: Reread[] = all.flatMap(({ stem, inits, segments }) => [
    { name: initName(stem), facts: inits[0]! },
    ...[...new Set([segments[0]!, segments.at(-1)!])].map((facts) => ({
      name: segmentName(stem, facts.index),
      facts,
    })),
  ]);
  await list.eachStored('bytes-unchanged', reread, async ({ name, facts }) => {
    const bytes = await r2.get(prefix + name);
    const found = 'index' in facts ? segmentFacts(facts.index, bytes) : initFacts(bytes);
    return sameFacts(found, facts) ? undefined : `${name} is not what its task reported`;
  });
}

function sameFacts(found: InitFacts | SegmentFacts, reported: InitFacts | SegmentFacts): boolean {
  const keys = Object.keys(found) as (keyof typeof found)[];
  return keys.every((key) => String(found[key]) === String((reported as typeof found)[key]));
}
