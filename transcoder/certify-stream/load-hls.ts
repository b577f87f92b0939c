// From a playlist's URL to the renditions behind it.
import type { Attributes } from '../certificate/read-manifests.ts';
import type { Findings } from './findings.ts';
import {
  type HlsKey,
  type HlsSegment,
  type MasterPlaylist,
  type MediaPlaylist,
  readPlaylist,
} from './hls-playlist.ts';
import type { TrackKind } from './init-tracks.ts';
import type { KeyRef, Rendition, Segment } from './presentation.ts';
import type { ResourceLibrary } from './resource-library.ts';

export type HlsRole = 'variant' | 'audio' | 'subtitles' | 'iframes';
export type HlsRendition = {
  role: HlsRole;
  attributes: Attributes;
  playlist: MediaPlaylist;
  rendition: Rendition;
};
export type HlsVariant = { attributes: Attributes; main: HlsRendition; audio: HlsRendition[] };
export type HlsPresentation = {
  url: string;
  master: MasterPlaylist | undefined;
  variants: HlsVariant[];
  /** Every playlist once. */
  all: HlsRendition[];
};

const DEFAULT_KEY_FORMAT = 'identity';
const IV_BYTES = 16;

/** @param url Of the playlist, after redirects. */
export async function loadHls(
  url: string,
  root: MasterPlaylist | MediaPlaylist,
  library: ResourceLibrary,
  findings: Findings,
): Promise<HlsPresentation> {
  if (root.kind === 'media') {
    const role = root.isIFramesOnly ? 'iframes' : 'variant';
    const only = {
      role,
      attributes: {},
      playlist: root,
      rendition: renditionOf(url, root, 'video'),
    } as const;
    return {
      url,
      master: undefined,
      variants: role === 'variant' ? [{ attributes: {}, main: only, audio: [] }] : [],
      all: [only],
    };
  }
  const loaded = new Map<string, Promise<HlsRendition | undefined>>();
  const load = (uri: string, role: HlsRole, attributes: Attributes, kind: TrackKind) => {
    const target = resolveUrl(uri, url);
    const begun = loaded.get(target) ?? loadPlaylist(target, role, attributes, kind, library, findings);
    loaded.set(target, begun);
    return begun;
  };
  const audioMedia = root.media.filter(({ TYPE, URI }) => TYPE === 'AUDIO' && URI !== undefined);
  const audio = await Promise.all(audioMedia.map((media) => load(media.URI!, 'audio', media, 'audio')));
  const mains = await Promise.all(
    root.variants.map(({ uri, attributes }) => load(uri, 'variant', attributes, variantKind(attributes))),
  );
  const subtitles = root.media.filter(({ TYPE, URI }) => TYPE === 'SUBTITLES' && URI !== undefined);
  await Promise.all([
    ...subtitles.map((media) => load(media.URI!, 'subtitles', media, 'text')),
    ...root.iframes.map((attributes) => load(attributes.URI ?? '', 'iframes', attributes, 'video')),
  ]);
  const variants = root.variants.flatMap(({ attributes }, index): HlsVariant[] => {
    const main = mains[index];
    const group = audio.filter((_, position) => audioMedia[position]!['GROUP-ID'] === attributes.AUDIO);
    return main ? [{ attributes, main, audio: group.filter((one) => one !== undefined) }] : [];
  });
  const all = (await Promise.all(loaded.values())).filter((one) => one !== undefined);
  return { url, master: root, variants, all };
}

/** A variant whose codecs are all of sound has no picture. */
function variantKind({ CODECS, RESOLUTION }: Attributes): TrackKind {
  const isSoundOnly =
    RESOLUTION === undefined &&
    CODECS !== undefined &&
    CODECS.split(',').every((codec) => /^\s*(?:mp4a|ac-3|ec-3|opus|flac)/i.test(codec));
  return isSoundOnly ? 'audio' : 'video';
}

async function loadPlaylist(
  url: string,
  role: HlsRole,
  attributes: Attributes,
  kind: TrackKind,
  library: ResourceLibrary,
  findings: Findings,
): Promise<HlsRendition | undefined> {
  const answer = await library.document(url, 'playlist');
  if (!answer) return undefined;
  const playlist = readPlaylist(answer.text);
  if (playlist?.kind !== 'media') {
    findings.see('playlist-syntax', url, 'This is no media playlist.');
    return undefined;
  }
  return { role, attributes, playlist, rendition: renditionOf(answer.url, playlist, kind) };
}

function renditionOf(url: string, playlist: MediaPlaylist, kind: TrackKind): Rendition {
  let startSeconds = 0;
  const segments = playlist.segments.map((segment, index): Segment => {
    const start = startSeconds;
    startSeconds += segment.seconds;
    return {
      url: resolveUrl(segment.uri, url),
      range: segment.range,
      ...{ index, seconds: segment.seconds, startSeconds: start },
      // The last digit may have been cut off rather than rounded.
      toleranceSeconds: Math.max(10 ** -segment.decimals, 0.000_002),
      init: segment.map && {
        url: resolveUrl(segment.map.uri, url),
        range: segment.map.range,
        key: keyOf(segment.map.key, segment, url),
      },
      key: keyOf(segment.key, segment, url),
      isDiscontinuous: segment.isDiscontinuous,
      isGap: segment.isGap,
    };
  });
  return {
    name:
      url
        .replace(/[?#].*/, '')
        .split('/')
        .at(-1) ?? url,
    url,
    kind,
    segments,
  };
}

/** Without an IV of its own a segment takes its number for one. */
function keyOf(key: HlsKey | undefined, { sequence }: HlsSegment, base: string): KeyRef | undefined {
  if (!key) return undefined;
  const iv = Buffer.alloc(IV_BYTES);
  if (key.iv) Buffer.from(key.iv.replace(/^0x/i, '').padStart(IV_BYTES * 2, '0'), 'hex').copy(iv);
  else iv.writeBigUInt64BE(BigInt(sequence), 8);
  return {
    method: key.method,
    url: resolveUrl(key.uri ?? '', base),
    isIdentity: key.keyFormat === DEFAULT_KEY_FORMAT,
    iv,
  };
}

export function resolveUrl(uri: string, base: string): string {
  return URL.canParse(uri, base) ? new URL(uri, base).href : uri;
}
