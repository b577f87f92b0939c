// RFC 6381 codec strings, read from the sample entries themselves.
import { avcCodecString } from '../../shared/codec-string.ts';
import { BodyReader, type Box, boxesIn, malformed, requireBox } from './boxes.ts';

/** Fixed fields before the child boxes of a sample entry (ISO/IEC 14496-12 §12.1.3 and §12.2.3). */
export const VISUAL_ENTRY_BYTES = 78;
export const AUDIO_ENTRY_BYTES = 28;
/** stsd: version, flags and entry count. */
export const STSD_HEADER_BYTES = 8;

/** `avc1.PPCCLL` or `mp4a.40.N`. */
export function codecsOf(init: Uint8Array): string {
  const entry = sampleEntry(init);
  if (entry.type === 'avc1') return avcCodec(init, child(init, entry, VISUAL_ENTRY_BYTES, 'avcC'));
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
  const avcC = child(init, entry, VISUAL_ENTRY_BYTES, 'avcC');
  return init.subarray(avcC.bodyStart, avcC.end);
}

function sampleEntry(init: Uint8Array): Box {
  const stsd = requireBox(init, 'moov/trak/mdia/minf/stbl/stsd');
  const [entry] = boxesIn(init, stsd.bodyStart + STSD_HEADER_BYTES, stsd.end);
  if (!entry) throw malformed('The track has no sample entry.');
  return entry;
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
