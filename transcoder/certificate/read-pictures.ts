// Reads back I-frame playlists, the storyboard and the MPD's picture sheets, sharing no code with the writers.
import { type Attributes, attributesOf } from './read-manifests.ts';

export type ReadIframes = {
  targetSeconds: number;
  mapUri: string | undefined;
  isIframesOnly: boolean;
  hasEnd: boolean;
  pictures: { uri: string; seconds: number; sizeBytes: number; offsetBytes: number }[];
};

export function readIframePlaylist(text: string): ReadIframes {
  const lines = text.split('\n');
  const tagValue = (tag: string) => lines.find((line) => line.startsWith(`${tag}:`))?.slice(tag.length + 1);
  return {
    targetSeconds: Number(tagValue('#EXT-X-TARGETDURATION')),
    mapUri: attributesOf(tagValue('#EXT-X-MAP') ?? '').URI,
    isIframesOnly: lines.includes('#EXT-X-I-FRAMES-ONLY'),
    hasEnd: lines.includes('#EXT-X-ENDLIST'),
    pictures: lines.flatMap((line, index) => {
      if (!line.startsWith('#EXTINF:')) return [];
      const [, sizeBytes, offsetBytes] = /^#EXT-X-BYTERANGE:(\d+)@(\d+)$/.exec(lines[index + 1] ?? '') ?? [];
      const seconds = Number.parseFloat(line.slice('#EXTINF:'.length));
      const range = { sizeBytes: Number(sizeBytes), offsetBytes: Number(offsetBytes) };
      return [{ uri: lines[index + 2] ?? '', seconds, ...range }];
    }),
  };
}

/** The attributes of a master's I-frame variants. */
export function readIframeVariants(master: string): Attributes[] {
  const tag = '#EXT-X-I-FRAME-STREAM-INF:';
  const lines = master.split('\n').filter((line) => line.startsWith(tag));
  return lines.map((line) => attributesOf(line.slice(tag.length)));
}

export type ReadCue = { startMs: number; endMs: number; uri: string; box: number[] };

export function readStoryboard(text: string): ReadCue[] {
  const cues = /^([\d:.]+) --> ([\d:.]+)\n([^#\n]+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;
  return [...text.matchAll(cues)].map(([, start, end, uri, ...box]) => ({
    startMs: milliseconds(start!),
    endMs: milliseconds(end!),
    uri: uri!,
    box: box.map(Number),
  }));
}

export type ReadImageSet = { template: Attributes; representation: Attributes; tiles: string };

/** The set of picture sheets; undefined where the MPD has none. */
export function readImageSet(mpd: string): ReadImageSet | undefined {
  const set = /<AdaptationSet [^>]*contentType="image".*?<\/AdaptationSet>/s.exec(mpd)?.[0];
  if (set === undefined) return undefined;
  const attributes = (element: string) => {
    const text = new RegExp(`<${element} ([^>]*)>`).exec(set)?.[1] ?? '';
    return Object.fromEntries(
      [...text.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
    );
  };
  const property = attributes('EssentialProperty');
  const isTiled = property.schemeIdUri === 'http://dashif.org/guidelines/thumbnail_tile';
  return {
    template: attributes('SegmentTemplate'),
    representation: attributes('Representation'),
    tiles: isTiled ? (property.value ?? '') : '',
  };
}

function milliseconds(timestamp: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = timestamp.split(':').map(Number);
  return Math.round((hours * 3600 + minutes * 60 + seconds) * 1000);
}
