// The tracks of any init segment: clocks, codec strings, sizes, and what reading their samples needs.
import { aacFacts, readAvcConfiguration } from '../../shared/probe/codec-configuration.ts';
import type { H264Sps } from '../../shared/probe/h264-sps.ts';
import {
  type Box,
  boxesIn,
  childrenOf,
  findBox,
  malformed,
  readFullBox,
  requireBox,
  viewOf,
} from '../isobmff/boxes.ts';
import {
  AUDIO_ENTRY_BYTES,
  audioObjectType,
  av1Codec,
  avcCodec,
  esdsConfig,
  hevcCodec,
  STSD_HEADER_BYTES,
  VISUAL_ENTRY_BYTES,
} from '../isobmff/codecs.ts';
import type { SampleDefaults } from '../isobmff/fragment.ts';
import { type EditList, readEditList, timescaleOf } from '../isobmff/init.ts';
import type { PictureForm } from './picture-units.ts';

export type TrackKind = 'video' | 'audio' | 'text' | 'other';
export type Size = { width: number; height: number };

export type TrackInfo = {
  id: number;
  kind: TrackKind;
  timescale: number;
  /** RFC 6381; undefined for a sample entry that is not understood. */
  codecs: string | undefined;
  isEncrypted: boolean;
  /** As the sample entry says. */
  size?: Size;
  /** As the parameter set says. */
  codedSize?: Size;
  /** The same with pixels made square, where they are not. */
  squareSize?: Size;
  channels?: number;
  /** Of pictures that are understood. */
  form?: PictureForm;
  edit: EditList | string;
  defaults: SampleDefaults;
};

/** @throws AppError verification_failed where the bytes are no init segment. */
export function readInitTracks(init: Uint8Array): TrackInfo[] {
  const moov = requireBox(init, 'moov');
  const extends_ = findBox(init, 'mvex', moov);
  const defaults = new Map(
    (extends_ ? childrenOf(init, extends_) : []).flatMap((box) =>
      box.type === 'trex' ? [readTrex(init, box)] : [],
    ),
  );
  const tracks = childrenOf(init, moov)
    .filter(({ type }) => type === 'trak')
    .map((trak) => readTrack(init, trak, defaults));
  if (tracks.length === 0) throw malformed('The init segment has no track.');
  return tracks;
}

function readTrex(init: Uint8Array, trex: Box): [number, SampleDefaults] {
  const { reader } = readFullBox(init, trex);
  const id = reader.u32();
  reader.skip(4);
  return [id, { durationTicks: reader.u32(), sizeBytes: reader.u32(), flags: reader.u32() }];
}

const KINDS: Record<string, TrackKind> = {
  vide: 'video',
  soun: 'audio',
  text: 'text',
  subt: 'text',
  sbtl: 'text',
};

function readTrack(init: Uint8Array, trak: Box, defaults: Map<number, SampleDefaults>): TrackInfo {
  const tkhd = readFullBox(init, requireBox(init, 'tkhd', trak));
  tkhd.reader.skip(tkhd.version === 1 ? 16 : 8);
  const id = tkhd.reader.u32();
  const handler = requireBox(init, 'mdia/hdlr', trak);
  const kind = KINDS[textAt(init, handler.bodyStart + 8)] ?? 'other';
  const stsd = requireBox(init, 'mdia/minf/stbl/stsd', trak);
  const [entry] = boxesIn(init, stsd.bodyStart + STSD_HEADER_BYTES, stsd.end);
  if (!entry) throw malformed('A track has no sample entry.');
  return {
    id,
    kind,
    timescale: timescaleOf(init, requireBox(init, 'mdia/mdhd', trak)),
    ...readEntry(init, entry, kind),
    edit: readEdit(init, trak),
    defaults: defaults.get(id) ?? { durationTicks: undefined, sizeBytes: undefined, flags: undefined },
  };
}

function readEdit(init: Uint8Array, trak: Box): EditList | string {
  try {
    return readEditList(init, trak);
  } catch (error) {
    return (error as Error).message;
  }
}

export function spsSizes({ width, height, sar }: H264Sps): Pick<TrackInfo, 'codedSize' | 'squareSize'> {
  const isSquare = !sar || sar.num === sar.den;
  const squareSize = isSquare ? undefined : { width: Math.round((width * sar.num) / sar.den), height };
  return { codedSize: { width, height }, ...(squareSize && { squareSize }) };
}

type EntryFacts = Pick<
  TrackInfo,
  'codecs' | 'isEncrypted' | 'size' | 'codedSize' | 'squareSize' | 'channels' | 'form'
>;

function readEntry(init: Uint8Array, entry: Box, kind: TrackKind): EntryFacts {
  const fixedBytes = kind === 'video' ? VISUAL_ENTRY_BYTES : kind === 'audio' ? AUDIO_ENTRY_BYTES : undefined;
  const children = fixedBytes === undefined ? [] : boxesIn(init, entry.bodyStart + fixedBytes, entry.end);
  const child = (type: string) => children.find((box) => box.type === type);
  const original = child('sinf') && findBox(init, 'frma', child('sinf'));
  const type = original ? textAt(init, original.bodyStart) : entry.type;
  const view = viewOf(init);
  const facts: EntryFacts = { codecs: undefined, isEncrypted: original !== undefined };
  if (kind === 'video') {
    facts.size = {
      width: view.getUint16(entry.bodyStart + 24),
      height: view.getUint16(entry.bodyStart + 26),
    };
  }
  if (kind === 'audio') facts.channels = view.getUint16(entry.bodyStart + 16);
  const body = (box: Box) => init.subarray(box.bodyStart, box.end);
  const avcC = child('avcC');
  const hvcC = child('hvcC');
  const esds = child('esds');
  const vpcC = child('vpcC');
  const av1C = child('av1C');
  if (avcC) {
    const configuration = readAvcConfiguration(body(avcC));
    facts.codecs = avcCodec(init, avcC, type);
    facts.form = { family: 'avc', lengthBytes: configuration?.lengthBytes ?? 4 };
    if (configuration) Object.assign(facts, spsSizes(configuration.sps));
  } else if (hvcC) {
    facts.codecs = hevcCodec(body(hvcC), type);
    facts.form = { family: 'hevc', lengthBytes: (body(hvcC)[21]! & 3) + 1 };
  } else if (esds && type === 'mp4a') {
    const config = esdsConfig(init, esds);
    facts.codecs = `mp4a.40.${audioObjectType(config)}`;
    facts.channels = aacFacts(config).channels ?? facts.channels!;
  } else if (vpcC) facts.codecs = vpCodec(body(vpcC), type);
  else if (av1C) {
    facts.codecs = av1Codec(body(av1C));
    facts.form = { family: 'av1' };
  } else facts.codecs = NAMED_CODECS[type];
  // Their sample entries say 2 whatever there is (ETSI TS 102 366 annex F).
  if (type === 'ac-3' || type === 'ec-3') delete facts.channels;
  return facts;
}

/** Codecs whose string is their name alone. */
const NAMED_CODECS: Record<string, string> = {
  ...{ 'ac-3': 'ac-3', 'ec-3': 'ec-3', Opus: 'opus', fLaC: 'flac', wvtt: 'wvtt', stpp: 'stpp' },
};

/** VP Codec ISO Media File Format Binding: `vp09.00.10.08`. */
function vpCodec(record: Uint8Array, type: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return [type, two(record[4]!), two(record[5]!), two(record[6]! >> 4)].join('.');
}

function textAt(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + 4)).toString('latin1');
}
