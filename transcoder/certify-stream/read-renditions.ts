// Reads the segments of renditions: all of them, or ends, joints and a sample.
import type { Findings } from './findings.ts';
import type { TrackInfo } from './init-tracks.ts';
import { isOwnRendition, type ReadRendition, type Rendition, sampleOf } from './presentation.ts';
import type { ResourceLibrary } from './resource-library.ts';

export async function readRenditions(
  renditions: readonly Rendition[],
  library: ResourceLibrary,
  findings: Findings,
  isDeep: boolean,
): Promise<ReadRendition[]> {
  return Promise.all(
    renditions.map(async (rendition, track) => {
      const chosen = new Set(isDeep ? rendition.segments.keys() : sampleOf(rendition, track));
      const facts = await Promise.all(
        rendition.segments.map(async (segment) =>
          chosen.has(segment.index) && !segment.isGap ? library.segment(segment) : undefined,
        ),
      );
      const tracks = await tracksOf(rendition, facts, library, findings);
      for (const { id, codecs } of tracks)
        if (codecs === undefined)
          findings.skip(`the codec of track ${id} of ${rendition.name}`, 'it is not one that is read');
      return { ...rendition, facts, tracks, isComplete: facts.every((one) => one !== undefined) };
    }),
  );
}

/** Of the init segment, which is one for all segments up to a discontinuity, or of segments that need none. */
async function tracksOf(
  rendition: Rendition,
  facts: ReadRendition['facts'],
  library: ResourceLibrary,
  findings: Findings,
): Promise<TrackInfo[]> {
  let current: string | undefined;
  let tracks: TrackInfo[] | undefined;
  for (const { init, isDiscontinuous } of rendition.segments) {
    const read = init && (await library.init(init));
    if (!read) continue;
    tracks ??= read.tracks;
    if (current === read.sha256) continue;
    if (current !== undefined && !isDiscontinuous)
      findings.see('init-identical', init.url, 'The init segment changes without a discontinuity.');
    else findings.see('init-identical', init.url, undefined);
    current = read.sha256;
  }
  return tracks ?? facts.find((one) => one !== undefined)?.info ?? [];
}

export function isOwn(renditions: readonly Rendition[]): boolean {
  return renditions.length > 0 && renditions.every(isOwnRendition);
}
