// RFC 6381 codec strings, read from the sample entries themselves.
import { avcCodecString } from '../../shared/codec-string.ts';
import { BodyReader, type Box, boxesIn, malformed, requireBox } from './boxes.ts';

/** Fixed fields before the child boxes of a sample entry (ISO/IEC 14496-12 §12.1.3 and §12.2.3). */
export const VISUAL_ENTRY_BYTES = 78;
export const AUDIO_ENTRY_BYTES = 28;
/** stsd: version, flags and entry count. */
export const STSD_HEADER_BYTES = 8;

/** `avc1.PPCCLL`, `hvc1.…`, `av01.…` or `mp4a.40.N`. */
export function codecsOf(init: Uint8Array): string {
  const entry = sampleEntry(init);
  if (entry.type === 'avc1') return avcCodec(init, child(init, entry, VISUAL_ENTRY_BYTES, 'avcC'));
  if (entry.type === 'hvc1') return hevcCodec(childBody(init, entry, 'hvcC'));
  if (entry.type === 'av01') return av1Codec(childBody(init, entry, 'av1C'));
  if (entry.type === 'mp4a') return `mp4a.40.${audioObjectType(audioSpecificConfig(init))}`;
  throw malformed(`A ${entry.type} sample entry is none of ours.`);
}

/** Samples per AAC frame: 1024, or 960 where the stream's own configuration says so. */
export function aacFrameTicks(init: Uint8Array): number {
  const config = audioSpecificConfig(init);
  // 5 bits object type, 4 bits frequency index, 4 bits channels, then frameLengthFlag (ISO/IEC 14496-3).
  return config.length >= 2 && config[1]! & 0x04 ? 960 : 1024;
}

/** Body of the avcC box; undefined where the track is no AVC. */
export function avcConfigurationOf(init: Uint8Array): Uint8Array | undefined {
  const entry = sampleEntry(init);
  if (entry.type !== 'avc1') return undefined;
  return childBody(init, entry, 'avcC');
}

function sampleEntry(init: Uint8Array): Box {
  const stsd = requireBox(init, 'moov/trak/mdia/minf/stbl/stsd');
  const [entry] = boxesIn(init, stsd.bodyStart + STSD_HEADER_BYTES, stsd.end);
  if (!entry) throw malformed('The track has no sample entry.');
  return entry;
}

function childBody(init: Uint8Array, entry: Box, type: string): Uint8Array {
  const box = child(init, entry, VISUAL_ENTRY_BYTES, type);
  return init.subarray(box.bodyStart, box.end);
}

function child(init: Uint8Array, entry: Box, fixedBytes: number, type: string): Box {
  const box = boxesIn(init, entry.bodyStart + fixedBytes, entry.end).find(
    (candidate) => candidate.type === type,
  );
  if (!box) throw malformed(`The sample entry has no ${type}.`);
  return box;
}

/** The codec string of an avcC, under the sample entry's own name. */
export function avcCodec(init: Uint8Array, avcC: Box, entry = 'avc1'): string {
  const record = init.subarray(avcC.bodyStart, avcC.end);
  if (record.length < 4) throw malformed('An avcC record is cut short.');
  return avcCodecString(record, entry);
}

/** ISO/IEC 14496-15 annex E.3: `hvc1.1.6.L93.B0`. */
export function hevcCodec(record: Uint8Array, type = 'hvc1'): string {
  const reader = new BodyReader(record, 0, record.length);
  reader.skip(1);
  const profile = reader.u8();
  const compatibility = reader.u32();
  const constraints = Array.from({ length: 6 }, () => reader.u8());
  const level = reader.u8();
  while (constraints.at(-1) === 0) constraints.pop();
  const reversed = [...compatibility.toString(2).padStart(32, '0')].reverse().join('');
  return [
    type,
    `${['', 'A', 'B', 'C'][profile >> 6]}${profile & 0x1f}`,
    Number.parseInt(reversed, 2).toString(16).toUpperCase(),
    `${profile & 0x20 ? 'H' : 'L'}${level}`,
    ...constraints.map((value) => value.toString(16).toUpperCase()),
  ].join('.');
}

/** AV1 Codec ISO Media File Format Binding §5: `av01.0.04M.08`. */
export function av1Codec(record: Uint8Array): string {
  const level = record[1]! & 0x1f;
  const [isHighTier, isHighDepth, isTwelveBit] = [record[2]! & 0x80, record[2]! & 0x40, record[2]! & 0x20];
  const depth = isHighDepth ? (isTwelveBit ? 12 : 10) : 8;
  const two = (value: number) => String(value).padStart(2, '0');
  return `av01.${record[1]! >> 5}.${two(level)}${isHighTier ? 'H' : 'M'}.${two(depth)}`;
}

function audioSpecificConfig(init: Uint8Array): Uint8Array {
  return esdsConfig(init, child(init, sampleEntry(init), AUDIO_ENTRY_BYTES, 'esds'));
}

/** Walks esds: ES descriptor (3) > decoder config (4) > decoder specific info (5). */
export function esdsConfig(init: Uint8Array, esds: Box): Uint8Array {
  const reader = new BodyReader(init, esds.bodyStart, esds.end);
  reader.skip(4);
  openDescriptor(reader, 3);
  reader.skip(2); // ES_ID
  const flags = reader.u8();
  if (flags & 0xe0) throw malformed('The esds box has optional fields, which we never write.');
  openDescriptor(reader, 4);
  const objectType = reader.u8();
  if (objectType !== 0x40) throw malformed(`Audio object type indication ${objectType} is not MPEG-4 audio.`);
  reader.skip(12); // stream type, buffer size, bitrates
  const length = openDescriptor(reader, 5);
  const start = reader.position;
  reader.skip(length);
  return init.subarray(start, start + length);
}

/** Reads a descriptor's tag and its length of up to four 7-bit groups. */
function openDescriptor(reader: BodyReader, tag: number): number {
  if (reader.u8() !== tag) throw malformed(`The esds box has no descriptor ${tag}.`);
  let length = 0;
  for (let group = 0; group < 4; group++) {
    const byte = reader.u8();
    length = (length << 7) | (byte & 0x7f);
    if (!(byte & 0x80)) return length;
  }
  throw malformed('A descriptor of the esds box is too long.');
}

/** @param config an AudioSpecificConfig */
export function audioObjectType(config: Uint8Array): number {
  if (config.length < 2) throw malformed('The audio configuration is too short.');
  const type = config[0]! >> 3;
  if (type !== 31) return type;
  return 32 + (((config[0]! & 0x07) << 3) | (config[1]! >> 5));
}
