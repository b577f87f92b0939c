// A viewer's quality cap. The request names a height; the token carries the highest rung that stays within it
// (`maxHeight` in its claims), so that the media path judges a file by its name alone.
import type { RenditionInfo } from '../../shared/api.ts';
import { videoStem } from '../../shared/object-keys.ts';
import { rungOf } from './path.ts';

/** The highest rung allowed under `maxHeight` pixels, never less than the lowest; undefined when all are. */
export function highestRung(
  renditions: Pick<RenditionInfo, 'name' | 'height'>[],
  maxHeight: number,
): number | undefined {
  const rungs = renditions
    .map(({ name, height }) => ({ height, rung: rungOf(videoStem(name)) }))
    .filter((entry): entry is { height: number; rung: number } => entry.rung !== undefined)
    .sort((a, b) => a.height - b.height);
  const allowed = rungs.filter(({ height }) => height <= maxHeight);
  if (allowed.length === rungs.length) return undefined;
  return (allowed.at(-1) ?? rungs[0])?.rung;
}

/** Whether a capped token may read this file. Audio and manifests belong to no rung. */
export function isWithinCap(name: string, maxRung: number | undefined): boolean {
  return maxRung === undefined || (rungOf(name) ?? 0) <= maxRung;
}

/** Whether a file lists rungs and must be filtered for a capped token. */
export function listsRungs(name: string): boolean {
  return /^master(?:_r\d+)?\.m3u8$/.test(name) || isMpd(name);
}

/** The manifest `name` without the rungs above `maxRung`. */
export function withoutHigherRungs(name: string, manifest: string, maxRung: number): string {
  return isMpd(name) ? filterMpd(manifest, maxRung) : filterMaster(manifest, maxRung);
}

export function isMpd(name: string): boolean {
  return name.endsWith('.mpd');
}

function filterMaster(playlist: string, maxRung: number): string {
  const lines = playlist.split('\n');
  const kept: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    // A variant is its tag and the URI on the next line (RFC 8216 §4.3.4.2).
    if (line.startsWith('#EXT-X-STREAM-INF:')) {
      const uri = lines[++i] ?? '';
      if (isWithinCap(uri, maxRung)) kept.push(line, uri);
      continue;
    }
    const iframes = /^#EXT-X-I-FRAME-STREAM-INF:.*\bURI="([^"]*)"/.exec(line)?.[1];
    if (iframes === undefined || isWithinCap(iframes, maxRung)) kept.push(line);
  }
  return kept.join('\n');
}

const REPRESENTATION = /[ \t]*<Representation\b([^>]*?)(?:\/>|>[\s\S]*?<\/Representation>)\n?/g;

function filterMpd(manifest: string, maxRung: number): string {
  const filtered = manifest.replace(REPRESENTATION, (element, attributes: string) => {
    const id = /\bid="([^"]*)"/.exec(attributes)?.[1] ?? '';
    return isWithinCap(id, maxRung) ? element : '';
  });
  // The set's own maxima named the rung that is gone; they are optional.
  return filtered.replace(/(<AdaptationSet\b[^>]*?)((?: max(?:Width|Height)="\d+")+)/g, '$1');
}
