// What an MP4 or MOV index says of its streams, in the terms of a prober.
import { aacFacts, pictureFacts, pictureSize } from './codec-configuration.ts';
import { ISO_CODECS, OBJECT_TYPE_CODECS, TRANSFER_NAMES } from './codec-names.ts';
import { boxAt, fourCc, type IsoBox, type IsoIndex, type IsoTrack } from './iso-boxes.ts';
import { orientationOf, type StreamFacts } from './stream-facts.ts';

/** Streams in the order and with the numbers ffmpeg gives them. Broken boxes tell nothing. */
export function isoStreams(index: IsoIndex): StreamFacts[] {
  const chapterTracks = new Set(index.tracks.flatMap(chapterReferences));
  return index.tracks.map((track, position) => {
    const kind = track.handler === 'vide' ? 'video' : track.handler === 'soun' ? 'audio' : 'other';
    const entry = track.sampleEntries[0];
    const header = headerFacts(track, index);
    return {
      index: position,
      kind,
      trackId: track.id,
      ...(entry ? { codecTag: entry.type } : {}),
      width: 0,
      height: 0,
      isInterlaced: false,
      sampleRate: 0,
      channels: 0,
      ...languageOf(track),
      ...header.facts,
      isStill: kind === 'video' && chapterTracks.has(track.id),
      ...(entry && kind === 'video' ? visualFacts(entry, header) : {}),
      ...(entry && kind === 'audio' ? soundFacts(entry) : {}),
    };
  });
}

/** Where the child boxes of a sample entry begin (ISO/IEC 14496-12 §12.1.3, §12.2.3; QuickTime's own versions). */
const VISUAL_FIELD_BYTES = 78;
const SOUND_FIELD_BYTES: Record<number, number> = { 0: 28, 1: 44, 2: 64 };

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function visualFacts(entry: IsoBox, header: HeaderFacts): Partial<StreamFacts> {
  if (entry.body.byteLength < VISUAL_FIELD_BYTES) return {};
  const boxes = childrenOf(entry.body, VISUAL_FIELD_BYTES);
  const codec = codecOf(entry.type, boxes.get('esds'));
  const declared = { width: entry.body.getUint16(24), height: entry.body.getUint16(26) };
  const record = boxes.get('avcC') ?? boxes.get('hvcC') ?? boxes.get('av1C');
  const picture = record ? pictureFacts(codec, bytesOf(record)) : {};
  const transfer = picture.colorTransfer ?? transferOf(boxes);
  const sar = aspectOf(boxes.get('pasp'), declared, header) ?? picture.sar;
  return {
    ...(codec ? { codec } : {}),
    ...(record ? { configuration: bytesOf(record) } : {}),
    ...pictureSize(declared, picture),
    ...(sar ? { sar } : {}),
    ...(picture.pixelFormat ? { pixelFormat: picture.pixelFormat } : {}),
    ...(transfer ? { colorTransfer: transfer } : {}),
    isInterlaced: picture.isInterlaced || hasTwoFields(boxes.get('fiel')),
  };
}

function soundFacts({ type, body }: IsoBox): Partial<StreamFacts> {
  if (body.byteLength < 28) return {};
  const version = body.getUint16(8);
  const boxes = childrenOf(body, SOUND_FIELD_BYTES[version] ?? 28);
  const wave = boxes.get('wave');
  const esds = readDescriptors(boxes.get('esds') ?? (wave && childrenOf(wave, 0).get('esds')));
  const codec =
    type === 'mp4a' && !esds ? 'aac' : (OBJECT_TYPE_CODECS[esds?.objectType ?? 0] ?? ISO_CODECS[type]);
  const isWide = version === 2 && body.byteLength >= 44;
  return {
    ...(codec ? { codec } : {}),
    channels: isWide ? body.getUint32(40) : body.getUint16(16),
    sampleRate: isWide ? body.getFloat64(32) : body.getUint32(24) >>> 16,
    ...(codec === 'aac' && esds
      ? { ...aacFacts(esds.configuration), configuration: esds.configuration }
      : {}),
  };
}

function codecOf(type: string, esds: DataView | undefined): string | undefined {
  if (type !== 'mp4v') return ISO_CODECS[type];
  return OBJECT_TYPE_CODECS[readDescriptors(esds)?.objectType ?? 0];
}

type HeaderFacts = {
  facts: Pick<StreamFacts, 'rotationDegrees' | 'isMirrored' | 'isDefault'>;
  /** As the track header wants the picture shown, unturned. */
  shown: { width: number; height: number };
  /** Scales of the matrix. */
  scale: { x: number; y: number };
};

const FIXED_ONE = 0x10000;
const IDENTITY = [1, 0, 0, 1] as const;

function headerFacts(track: IsoTrack, index: IsoIndex): HeaderFacts {
  const tkhd = track.boxes.get('tkhd');
  const mvhd = index.boxes.find(({ type }) => type === 'mvhd')?.body;
  const own = matrixAt(tkhd, { short: 40, long: 52 });
  const movie = matrixAt(mvhd, { short: 36, long: 48 });
  const matrix = [
    own[0] * movie[0] + own[1] * movie[2],
    own[0] * movie[1] + own[1] * movie[3],
    own[2] * movie[0] + own[3] * movie[2],
    own[2] * movie[1] + own[3] * movie[3],
  ] as const;
  const [a, b, c, d] = matrix;
  const scale = { x: Math.hypot(a, c), y: Math.hypot(b, d) };
  const sizeAt = tkhd?.getUint8(0) === 1 ? 88 : 76;
  const hasSize = tkhd !== undefined && tkhd.byteLength >= sizeAt + 8;
  return {
    facts: {
      ...orientationOf(matrix),
      isDefault: tkhd !== undefined && (tkhd.getUint8(3) & 1) === 1,
    },
    shown: hasSize
      ? { width: tkhd.getUint16(sizeAt), height: tkhd.getUint16(sizeAt + 4) }
      : { width: 0, height: 0 },
    scale,
  };
}

/** a, b, c, d of a transformation matrix (ISO/IEC 14496-12 §6.2.2). */
function matrixAt(
  header: DataView | undefined,
  at: { short: number; long: number },
): readonly [number, number, number, number] {
  const offset = header?.getUint8(0) === 1 ? at.long : at.short;
  if (!header || header.byteLength < offset + 36) return IDENTITY;
  const value = (position: number) => header.getInt32(offset + position) / FIXED_ONE;
  return [value(0), value(4), value(12), value(16)];
}

/** As ffmpeg's demuxer settles it: the matrix's stretch, then `pasp`, then the size the track header wants. */
function aspectOf(
  pasp: DataView | undefined,
  declared: { width: number; height: number },
  { shown, scale }: HeaderFacts,
): StreamFacts['sar'] {
  if (shown.width > 0 && shown.height > 0 && scale.x > 0 && Math.abs(scale.x / scale.y - 1) > 0.01) {
    return positiveRatio(Math.round(scale.x * FIXED_ONE), Math.round(scale.y * FIXED_ONE));
  }
  if (pasp && pasp.byteLength >= 8) {
    const ratio = positiveRatio(pasp.getUint32(0), pasp.getUint32(4));
    if (ratio) return ratio;
  }
  if (shown.width === declared.width && shown.height === declared.height) return undefined;
  return positiveRatio(declared.height * shown.width, declared.width * shown.height);
}

function positiveRatio(num: number, den: number): StreamFacts['sar'] {
  return num > 0 && den > 0 ? { num, den } : undefined;
}

function transferOf(boxes: Map<string, DataView>): string | undefined {
  const colr = boxes.get('colr');
  if (colr && colr.byteLength >= 10 && ['nclx', 'nclc'].includes(fourCc(colr, 0))) {
    return TRANSFER_NAMES[colr.getUint16(6)];
  }
  const vpcC = boxes.get('vpcC');
  return vpcC && vpcC.byteLength >= 10 ? TRANSFER_NAMES[vpcC.getUint8(8)] : undefined;
}

/** QuickTime's field box: how many fields, and in which order they were coded and are shown. */
function hasTwoFields(fiel: DataView | undefined): boolean {
  return fiel !== undefined && fiel.byteLength >= 2 && fiel.getUint8(0) === 2 && fiel.getUint8(1) > 0;
}

function languageOf(track: IsoTrack): { language?: string } {
  const mdhd = track.boxes.get('mdhd');
  const at = mdhd?.getUint8(0) === 1 ? 32 : 20;
  const packed = mdhd && mdhd.byteLength >= at + 2 ? mdhd.getUint16(at) : 0;
  // Three letters of five bits; QuickTime's numbers below this are of another age.
  if (packed < 0x400 || packed === 0x7fff) return {};
  return { language: String.fromCharCode(...[10, 5, 0].map((shift) => 0x60 + ((packed >> shift) & 31))) };
}

function chapterReferences(track: IsoTrack): number[] {
  const chap = track.boxes.get('chap');
  if (!chap) return [];
  return Array.from({ length: Math.min(8, chap.byteLength >> 2) }, (_, index) => chap.getUint32(4 * index));
}

/** Child boxes by type, the first of each; stops where they stop making sense. */
export function childrenOf(body: DataView, start: number): Map<string, DataView> {
  const found = new Map<string, DataView>();
  for (let offset = start; offset + 8 <= body.byteLength; ) {
    const box = boxAt(body, offset, body.byteLength, body.byteLength - offset);
    if (!box || offset + box.size > body.byteLength) break;
    if (!found.has(box.type)) {
      const child = new DataView(
        body.buffer,
        body.byteOffset + offset + box.headerSize,
        box.size - box.headerSize,
      );
      found.set(box.type, child);
    }
    offset += box.size;
  }
  return found;
}

/** `esds`: ES descriptor (3) > decoder configuration (4) > decoder specific info (5), ISO/IEC 14496-1 §7.2.6. */
export function readDescriptors(
  esds: DataView | undefined,
): { objectType: number; configuration: Uint8Array } | undefined {
  if (!esds) return undefined;
  const bytes = bytesOf(esds);
  let at = 4;
  const open = (tag: number): number | undefined => {
    if (bytes[at] !== tag) return undefined;
    let length = 0;
    for (let group = 0; group < 4; group++) {
      const byte = bytes[++at] ?? 0;
      length = (length << 7) | (byte & 0x7f);
      if (!(byte & 0x80)) break;
    }
    at++;
    return length;
  };
  if (open(3) === undefined) return undefined;
  const flags = bytes[at + 2] ?? 0;
  at += 3 + (flags & 0x80 ? 2 : 0) + (flags & 0x40 ? 1 + (bytes[at + 3] ?? 0) : 0) + (flags & 0x20 ? 2 : 0);
  if (open(4) === undefined) return undefined;
  const objectType = bytes[at] ?? 0;
  at += 13;
  const length = open(5);
  return {
    objectType,
    configuration: length === undefined ? new Uint8Array() : bytes.slice(at, at + length),
  };
}
