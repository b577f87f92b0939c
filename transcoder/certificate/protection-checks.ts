// Do the manifests say which key each segment is under, read back from their text?
import { initName, playlistName, segmentName } from '../../shared/object-keys.ts';
import type { PlannedProtection } from '../../shared/protection.ts';
import type { FinishedTracks } from '../tracks.ts';
import type { Checklist } from './checklist.ts';
import { attributesOf, xmlAttributes } from './read-manifests.ts';

const CLEAR_KEY = 'urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e';

export function checkProtection(
  list: Checklist,
  { video, audio, protection }: FinishedTracks,
  textOf: (name: string) => string,
  mpd: string | undefined,
): void {
  const tracks = [...video, ...audio];
  if (protection?.scheme === 'aes-128') {
    list.each('segment-keys', tracks, ({ stem, segments }) => {
      const wanted = [
        `map ${initName(stem)}`,
        ...segments.map(({ index }) => `${keyOf(protection, index)} ${segmentName(stem, index)}`),
      ];
      return keyedUris(textOf(playlistName(stem))).join() === wanted.join()
        ? undefined
        : `${stem} names other keys than its segments are under`;
    });
  }
  if (protection?.scheme === 'cenc') {
    const sets = [...(mpd ?? '').matchAll(/<AdaptationSet ([^>]*)>.*?<\/AdaptationSet>/gs)]
      .map(([text, head]) => ({ text, type: xmlAttributes(head!).contentType }))
      .filter(({ type }) => type === 'video' || type === 'audio');
    list.each('content-protection', sets, ({ text, type }) => {
      const found = [...text.matchAll(/<ContentProtection ([^>]*)>/g)].map(([, head]) =>
        xmlAttributes(head!),
      );
      const common = found.find(({ value }) => value === 'cenc');
      const isNamed = common?.['cenc:default_KID']?.replaceAll('-', '') === protection.keyId;
      return isNamed && found.some(({ schemeIdUri }) => schemeIdUri === CLEAR_KEY)
        ? undefined
        : `a set of ${type} does not name the key it is under`;
    });
  }
}

// Counted here again rather than with the writers' own function.
function keyOf({ keyRotationSegments }: PlannedProtection & { scheme: 'aes-128' }, index: number): string {
  return `key/${keyRotationSegments ? Math.floor(index / keyRotationSegments) : 0}`;
}

/** The URI of the map, before which no key may stand, and of each segment with that of its key. */
function keyedUris(playlist: string): string[] {
  const found: string[] = [];
  let key = 'none';
  for (const line of playlist.split('\n')) {
    const [, tag, value = ''] = /^#(EXT-X-(?:KEY|MAP)):(.*)$/.exec(line) ?? [];
    const { METHOD, URI = '', IV } = attributesOf(value);
    if (tag === 'EXT-X-KEY') key = METHOD === 'AES-128' && IV === undefined ? URI : 'unknown';
    if (tag === 'EXT-X-MAP') found.push(key === 'none' ? `map ${URI}` : `encrypted map ${URI}`);
    if (line !== '' && !line.startsWith('#')) found.push(`${key} ${line}`);
  }
  return found;
}
