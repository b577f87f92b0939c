// Reads back the playlists and the MPD that shared/hls.ts and shared/dash.ts write. It knows their form and no
// other, and shares no code with the writers.

export type ReadPlaylist = {
  targetSeconds: number;
  mapUri: string | undefined;
  segments: { seconds: number; uri: string }[];
  isVod: boolean;
  hasEnd: boolean;
};

export type Attributes = Record<string, string>;
export type ReadMaster = { variants: { uri: string; attributes: Attributes }[]; media: Attributes[] };
export type ReadRepresentation = {
  id: string;
  attributes: Attributes;
  timescale: number;
  initialization: string;
  media: string;
  segments: { startTicks: number; durationTicks: number }[];
};

/** They have no timeline of segments; see read-pictures.ts and read-texts.ts. */
const OTHER_SETS = /<AdaptationSet [^>]*contentType="(?:image|text)".*?<\/AdaptationSet>/gs;

export function readMediaPlaylist(text: string): ReadPlaylist {
  const lines = text.split('\n');
  const tagValue = (tag: string) => lines.find((line) => line.startsWith(`${tag}:`))?.slice(tag.length + 1);
  return {
    targetSeconds: Number(tagValue('#EXT-X-TARGETDURATION')),
    mapUri: attributesOf(tagValue('#EXT-X-MAP') ?? '').URI,
    segments: lines.flatMap((line, index) =>
      line.startsWith('#EXTINF:')
        ? [{ seconds: Number.parseFloat(line.slice('#EXTINF:'.length)), uri: lines[index + 1] ?? '' }]
        : [],
    ),
    isVod: tagValue('#EXT-X-PLAYLIST-TYPE') === 'VOD',
    hasEnd: lines.includes('#EXT-X-ENDLIST'),
  };
}

export function readMaster(text: string): ReadMaster {
  const lines = text.split('\n');
  const tagged = (tag: string) =>
    lines.flatMap((line, index) =>
      line.startsWith(`${tag}:`)
        ? [{ attributes: attributesOf(line.slice(tag.length + 1)), uri: lines[index + 1] ?? '' }]
        : [],
    );
  return {
    variants: tagged('#EXT-X-STREAM-INF'),
    media: tagged('#EXT-X-MEDIA').map(({ attributes }) => attributes),
  };
}

export function readMpd(text: string): ReadRepresentation[] {
  const media = text.replaceAll(OTHER_SETS, '');
  return [...media.matchAll(/<Representation ([^>]*)>(.*?)<\/Representation>/gs)].map(([, head, body]) => {
    const attributes = xmlAttributes(head!);
    const template = xmlAttributes(/<SegmentTemplate ([^>]*)>/.exec(body!)?.[1] ?? '');
    const segments: ReadRepresentation['segments'] = [];
    let ticks = 0;
    for (const [, entry] of body!.matchAll(/<S ([^>]*)\/>/g)) {
      const { t, d, r } = xmlAttributes(entry!);
      if (t !== undefined) ticks = Number(t);
      for (let repeat = 0; repeat <= Number(r ?? 0); repeat++) {
        segments.push({ startTicks: ticks, durationTicks: Number(d) });
        ticks += Number(d);
      }
    }
    return {
      id: attributes.id ?? '',
      attributes,
      timescale: Number(template.timescale),
      initialization: template.initialization ?? '',
      media: template.media ?? '',
      segments,
    };
  });
}

/** An attribute list (RFC 8216, section 4.2), quotes taken off. */
export function attributesOf(text: string): Attributes {
  const pairs = [...text.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))/g)];
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name!, quoted ?? plain ?? '']));
}

export function xmlAttributes(text: string): Attributes {
  return Object.fromEntries(
    [...text.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
  );
}
