// Reads the playlists of any HLS stream (RFC 8216), and says where they break its grammar. The certificate's own
// reader knows only the form that we write.
import type { Attributes } from '../certificate/read-manifests.ts';
import {
  checkedAttributes,
  checkedInteger,
  Faults,
  type ParsedRange,
  parseRange,
  playlistLines,
  type Tag,
} from './hls-lines.ts';
import type { ByteRange } from './stream-reader.ts';

export type HlsKey = { method: string; uri: string | undefined; iv: string | undefined; keyFormat: string };
export type HlsMap = { uri: string; range: ByteRange | undefined; key: HlsKey | undefined };
export type HlsSegment = {
  uri: string;
  range: ByteRange | undefined;
  seconds: number;
  /** Digits behind the point of its EXTINF. */
  decimals: number;
  map: HlsMap | undefined;
  key: HlsKey | undefined;
  sequence: number;
  isDiscontinuous: boolean;
  isGap: boolean;
};
export type MediaPlaylist = {
  kind: 'media';
  version: number;
  neededVersion: number;
  targetSeconds: number;
  type: string | undefined;
  hasEnd: boolean;
  isIFramesOnly: boolean;
  /** Tags whose meaning is not looked at. */
  unread: string[];
  segments: HlsSegment[];
  problems: string[];
};
export type MasterPlaylist = {
  kind: 'master';
  version: number;
  neededVersion: number;
  variants: { attributes: Attributes; uri: string }[];
  iframes: Attributes[];
  media: Attributes[];
  unread: string[];
  problems: string[];
};

const MASTER_TAGS = new Set([
  'EXT-X-STREAM-INF',
  'EXT-X-MEDIA',
  'EXT-X-I-FRAME-STREAM-INF',
  'EXT-X-SESSION-DATA',
]);
const MEDIA_TAGS = new Set([
  'EXTINF',
  'EXT-X-TARGETDURATION',
  'EXT-X-ENDLIST',
  'EXT-X-MEDIA-SEQUENCE',
  'EXT-X-MAP',
]);
const ONCE = [
  'EXT-X-VERSION',
  'EXT-X-TARGETDURATION',
  'EXT-X-MEDIA-SEQUENCE',
  'EXT-X-PLAYLIST-TYPE',
  'EXT-X-ENDLIST',
];
const UNREAD_TAGS = [
  'EXT-X-DEFINE',
  'EXT-X-PART',
  'EXT-X-SKIP',
  'EXT-X-DATERANGE',
  'EXT-X-IMAGE-STREAM-INF',
  'EXT-X-TILES',
  'EXT-X-CONTENT-STEERING',
];

/** Undefined for what does not begin as a playlist. */
export function readPlaylist(text: string): MasterPlaylist | MediaPlaylist | undefined {
  if (!text.startsWith('#EXTM3U')) return undefined;
  const lines = playlistLines(text);
  const tags = lines.filter((line) => 'name' in line);
  const faults = new Faults();
  const named = (name: string) => tags.filter((tag) => tag.name === name);
  for (const name of ONCE) {
    const again = named(name)[1];
    if (again) faults.add(again.line, `${name} stands there twice`);
  }
  const master = tags.find(({ name }) => MASTER_TAGS.has(name));
  const media = tags.find(({ name }) => MEDIA_TAGS.has(name));
  if (master && media) faults.add(media.line, `${media.name} is in a master playlist`);
  const versionTag = named('EXT-X-VERSION')[0];
  const version = versionTag ? checkedInteger(versionTag, versionTag.value, faults) : 1;
  const unread = UNREAD_TAGS.filter((name) => named(name).length > 0);
  const shared = { version, unread, problems: faults.problems };
  if (master) return { kind: 'master', ...readMaster(lines, faults), ...shared };
  return { kind: 'media', ...readMedia(lines, faults), ...shared };
}

type Lines = ReturnType<typeof playlistLines>;

function readMaster(lines: Lines, faults: Faults) {
  const variants: MasterPlaylist['variants'] = [];
  const iframes: Attributes[] = [];
  const media: Attributes[] = [];
  let neededVersion = 1;
  lines.forEach((line, index) => {
    if (!('name' in line)) {
      const before = lines[index - 1];
      if (!before || !('name' in before) || before.name !== 'EXT-X-STREAM-INF')
        faults.add(line.line, 'a URI without EXT-X-STREAM-INF before it');
      return;
    }
    if (line.name === 'EXT-X-STREAM-INF') {
      const attributes = checkedAttributes(line, ['BANDWIDTH'], faults);
      checkedInteger(line, attributes.BANDWIDTH ?? '0', faults);
      const next = lines[index + 1];
      if (next && 'uri' in next) variants.push({ attributes, uri: next.uri });
      else faults.add(line.line, 'EXT-X-STREAM-INF is not followed by a URI');
    }
    if (line.name === 'EXT-X-MEDIA') {
      const attributes = checkedAttributes(line, ['TYPE', 'GROUP-ID', 'NAME'], faults);
      if (attributes['INSTREAM-ID']?.startsWith('SERVICE')) neededVersion = 7;
      media.push(attributes);
    }
    if (line.name === 'EXT-X-I-FRAME-STREAM-INF')
      iframes.push(checkedAttributes(line, ['BANDWIDTH', 'URI'], faults));
  });
  return { neededVersion, variants, iframes, media };
}

function readMedia(lines: Lines, faults: Faults) {
  const state = new MediaState(faults);
  for (const line of lines) {
    if ('uri' in line) state.endSegment(line.uri, line.line);
    else state.tag(line);
  }
  return state.result();
}

/** What stands between two URIs, and what holds from one on. */
class MediaState {
  readonly #faults: Faults;
  readonly #segments: HlsSegment[] = [];
  #target = Number.NaN;
  #type: string | undefined;
  #hasEnd = false;
  #isIFramesOnly = false;
  #neededVersion = 1;
  #sequence = 0;
  #key: HlsKey | undefined;
  #map: HlsMap | undefined;
  #duration: { seconds: number; decimals: number } | undefined;
  #range: ParsedRange | undefined;
  #isDiscontinuous = false;
  #isGap = false;
  #rangeEnd: { uri: string; offset: number } | undefined;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  tag(tag: Tag): void {
    const { name, value, line } = tag;
    const faults = this.#faults;
    if (name === 'EXT-X-TARGETDURATION') this.#target = checkedInteger(tag, value, faults);
    else if (name === 'EXT-X-PLAYLIST-TYPE') {
      this.#type = value;
      if (value !== 'VOD' && value !== 'EVENT') faults.add(line, `there is no playlist type ${value}`);
    } else if (name === 'EXT-X-ENDLIST') this.#hasEnd = true;
    else if (name === 'EXT-X-I-FRAMES-ONLY') {
      this.#isIFramesOnly = true;
      this.#needs(4);
    } else if (name === 'EXT-X-MEDIA-SEQUENCE') {
      if (this.#segments.length > 0) faults.add(line, 'EXT-X-MEDIA-SEQUENCE stands behind a segment');
      this.#sequence = checkedInteger(tag, value, faults) || 0;
    } else if (name === 'EXT-X-DISCONTINUITY') this.#isDiscontinuous = true;
    else if (name === 'EXT-X-GAP') this.#isGap = true;
    else if (name === 'EXT-X-KEY') this.#readKey(tag);
    else if (name === 'EXT-X-MAP') this.#readMap(tag);
    else if (name === 'EXT-X-BYTERANGE') {
      this.#needs(4);
      this.#range = parseRange(value);
      if (!this.#range) faults.add(line, `${JSON.stringify(value)} is no byte range`);
    } else if (name === 'EXTINF') this.#readDuration(tag);
  }

  endSegment(uri: string, line: number): void {
    if (!this.#duration) this.#faults.add(line, 'a segment without EXTINF');
    const { seconds, decimals } = this.#duration ?? { seconds: Number.NaN, decimals: 0 };
    this.#segments.push({
      ...{ uri, seconds, decimals, map: this.#map, key: this.#key },
      range: this.#rangeOf(uri, line),
      sequence: this.#sequence++,
      isDiscontinuous: this.#isDiscontinuous,
      isGap: this.#isGap,
    });
    this.#duration = undefined;
    this.#range = undefined;
    this.#isDiscontinuous = false;
    this.#isGap = false;
  }

  result() {
    if (this.#duration) this.#faults.problems.push('The last EXTINF is not followed by a URI.');
    if (Number.isNaN(this.#target)) this.#faults.problems.push('There is no EXT-X-TARGETDURATION.');
    if (this.#segments.length === 0) this.#faults.problems.push('There is no segment.');
    return {
      neededVersion:
        this.#neededVersion + (this.#neededVersion === 5 && !this.#isIFramesOnly && this.#map ? 1 : 0),
      targetSeconds: this.#target,
      type: this.#type,
      hasEnd: this.#hasEnd,
      isIFramesOnly: this.#isIFramesOnly,
      segments: this.#segments,
    };
  }

  #needs(version: number): void {
    this.#neededVersion = Math.max(this.#neededVersion, version);
  }

  #readDuration({ value, line }: Tag): void {
    const [, whole, decimals = ''] = /^(\d+)(?:\.(\d+))?,/.exec(value) ?? [];
    if (this.#duration) this.#faults.add(line, 'two EXTINF before one URI');
    if (whole === undefined)
      this.#faults.add(line, `EXTINF ${JSON.stringify(value)} is no duration and a comma`);
    if (decimals !== '') this.#needs(3);
    this.#duration = { seconds: Number.parseFloat(value), decimals: decimals.length };
  }

  #readKey(tag: Tag): void {
    const {
      METHOD: method = '',
      URI: uri,
      IV: iv,
      KEYFORMAT: keyFormat = 'identity',
    } = checkedAttributes(tag, ['METHOD'], this.#faults);
    if (method !== 'NONE' && uri === undefined) this.#faults.add(tag.line, 'EXT-X-KEY has no URI');
    if (iv !== undefined) this.#needs(2);
    if (keyFormat !== 'identity') this.#needs(5);
    this.#key = method === 'NONE' ? undefined : { method, uri, iv, keyFormat };
  }

  #readMap(tag: Tag): void {
    const { URI: uri, BYTERANGE: range } = checkedAttributes(tag, ['URI'], this.#faults);
    this.#needs(5);
    const parsed = range === undefined ? undefined : parseRange(range);
    if (range !== undefined && !parsed)
      this.#faults.add(tag.line, `${JSON.stringify(range)} is no byte range`);
    this.#map = {
      uri: uri ?? '',
      range: parsed && { offset: parsed.offset ?? 0, sizeBytes: parsed.sizeBytes },
      key: this.#key,
    };
  }

  /** A range without an offset goes on where the last one of the same resource ended. */
  #rangeOf(uri: string, line: number): ByteRange | undefined {
    if (!this.#range) return undefined;
    const follows = this.#rangeEnd?.uri === uri ? this.#rangeEnd.offset : undefined;
    const offset = this.#range.offset ?? follows;
    if (offset === undefined) this.#faults.add(line, 'a byte range that goes on from nothing');
    const range = { offset: offset ?? 0, sizeBytes: this.#range.sizeBytes };
    this.#rangeEnd = { uri, offset: range.offset + range.sizeBytes };
    return range;
  }
}
