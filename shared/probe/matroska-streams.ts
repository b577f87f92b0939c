// What the Tracks element of a Matroska file says of its streams, in the terms of a prober (RFC 9559).
import { aacFacts, pictureFacts, pictureSize } from './codec-configuration.ts';
import { MATROSKA_CODECS, TRANSFER_NAMES } from './codec-names.ts';
import { parseElement, uint } from './ebml.ts';
import type { StreamFacts } from './stream-facts.ts';

export type MatroskaTrack = {
  number: number;
  /** Nanoseconds of one packet; 0 where it is not said. */
  defaultDurationNs: number;
  stream: StreamFacts;
};

const TRACK_ENTRY = 0xae;
const ID = {
  number: 0xd7,
  type: 0x83,
  codec: 0x86,
  codecPrivate: 0x63a2,
  defaultDuration: 0x23e383,
  isDefault: 0x88,
  language: 0x22b59c,
  video: 0xe0,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  displayWidth: 0x54b0,
  displayHeight: 0x54ba,
  displayUnit: 0x54b2,
  interlaced: 0x9a,
  colour: 0x55b0,
  transfer: 0x55ba,
  audio: 0xe1,
  rate: 0xb5,
  channels: 0x9f,
  bitDepth: 0x6264,
} as const;
/** Types of tracks that ffmpeg counts: video, sound, subtitles, metadata. */
const COUNTED_TYPES = new Set([1, 2, 17, 33]);
const MAX_TRACKS = 2000;
const INTERLACED = 1;
/** Display units from here on are no shape. */
const UNIT_UNKNOWN = 3;

/** Tracks in the order and with the numbers ffmpeg gives them. */
export function matroskaTracks(tracks: Uint8Array): MatroskaTrack[] {
  const found: MatroskaTrack[] = [];
  for (const { id, bytes } of childElements(tracks)) {
    if (id !== TRACK_ENTRY) continue;
    const fields = fieldsOf(bytes);
    const isCounted = COUNTED_TYPES.has(number(fields, ID.type)) && fields.has(ID.codec);
    if (isCounted) found.push(trackOf(fields, found.length));
    if (found.length >= MAX_TRACKS) break;
  }
  return found;
}

/** Elements directly inside `bytes`; stops where they stop making sense. */
export function* childElements(bytes: Uint8Array): Generator<{ id: number; bytes: Uint8Array }> {
  for (let offset = 0; offset < bytes.length; ) {
    const element = parseElement(bytes, offset);
    if (!element?.isSized || element.end > bytes.length) return;
    yield { id: element.id, bytes: bytes.subarray(element.body, element.end) };
    offset = element.end;
  }
}

type Fields = Map<number, Uint8Array>;

/** The last of each id. */
export function fieldsOf(bytes: Uint8Array | undefined): Fields {
  const fields: Fields = new Map();
  for (const child of childElements(bytes ?? new Uint8Array())) fields.set(child.id, child.bytes);
  return fields;
}

function trackOf(fields: Fields, index: number): MatroskaTrack {
  const codecId = text(fields.get(ID.codec));
  const audio = fieldsOf(fields.get(ID.audio));
  const codec = codecOf(codecId, number(audio, ID.bitDepth));
  const record = fields.get(ID.codecPrivate);
  const type = number(fields, ID.type);
  const language = text(fields.get(ID.language)) || 'eng';
  return {
    number: number(fields, ID.number),
    defaultDurationNs: number(fields, ID.defaultDuration),
    stream: {
      index,
      kind: type === 1 ? 'video' : type === 2 ? 'audio' : 'other',
      ...(codec ? { codec } : {}),
      codecTag: codecId,
      ...(record ? { configuration: record } : {}),
      ...shapeOf(fieldsOf(fields.get(ID.video)), codec, record),
      rotationDegrees: 0,
      sampleRate: audio.has(ID.rate) ? float(audio.get(ID.rate)!) : 8000,
      channels: number(audio, ID.channels, 1),
      ...(codec === 'aac' && record ? aacFacts(record) : {}),
      language,
      isDefault: number(fields, ID.isDefault, 1) === 1,
      isStill: false,
    },
  };
}

function shapeOf(
  video: Fields,
  codec: string | undefined,
  record: Uint8Array | undefined,
): Pick<StreamFacts, 'width' | 'height' | 'sar' | 'pixelFormat' | 'colorTransfer' | 'isInterlaced'> {
  const picture = record ? pictureFacts(codec, record) : {};
  const width = number(video, ID.pixelWidth);
  const height = number(video, ID.pixelHeight);
  const shown = {
    width: number(video, ID.displayWidth, width),
    height: number(video, ID.displayHeight, height),
  };
  const isShape = number(video, ID.displayUnit) < UNIT_UNKNOWN && shown.width > 0 && shown.height > 0;
  const sar =
    isShape && width > 0 && height > 0
      ? { num: height * shown.width, den: width * shown.height }
      : picture.sar;
  const transfer =
    picture.colorTransfer ?? TRANSFER_NAMES[number(fieldsOf(video.get(ID.colour)), ID.transfer)];
  return {
    ...pictureSize({ width, height }, picture),
    ...(sar ? { sar } : {}),
    ...(picture.pixelFormat ? { pixelFormat: picture.pixelFormat } : {}),
    ...(transfer ? { colorTransfer: transfer } : {}),
    isInterlaced: picture.isInterlaced ?? number(video, ID.interlaced) === INTERLACED,
  };
}

function codecOf(codecId: string, bitDepth: number): string | undefined {
  if (codecId === 'A_PCM/INT/LIT') return bitDepth === 8 ? 'pcm_u8' : `pcm_s${bitDepth}le`;
  // A_AAC/MPEG4/LC and its like are of an older age.
  return MATROSKA_CODECS[codecId] ?? (codecId.startsWith('A_AAC/') ? 'aac' : undefined);
}

function number(fields: Fields, id: number, fallback = 0): number {
  const bytes = fields.get(id);
  return bytes ? uint(bytes.subarray(0, 8)) : fallback;
}

export function float(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return view.getFloat32(0);
  return bytes.length === 8 ? view.getFloat64(0) : 0;
}

function text(bytes: Uint8Array | undefined): string {
  return String.fromCharCode(...(bytes ?? []).slice(0, 64)).replace(/\0.*$/, '');
}
