// Init segments of tracks that no encoder of ours made: ftyp and moov with what a decoder must know and nothing
// else of the source (ISO/IEC 14496-12 §8, 14496-14 §5.6, 14496-15 §5.4).
import { asciiBytes, words, writeBox } from './boxes.ts';

const TRACK_ID = 1;
const MOVIE_TIMESCALE = 1000;
const FIXED_ONE = 0x10000;
const IDENTITY_MATRIX = [FIXED_ONE, 0, 0, 0, FIXED_ONE, 0, 0, 0, 0x40000000];
/** `und`, packed into three times five bits. */
const UNDETERMINED_LANGUAGE = 0x55c40000;
const DPI_72 = 0x480000;

export type AvcTrack = {
  timescale: number;
  width: number;
  height: number;
  /** Body of the avcC box. */
  avcC: Uint8Array;
  /** Body of a colr box of type `nclx`. */
  colr?: Uint8Array;
};

export function avcInit({ timescale, width, height, avcC, colr }: AvcTrack): Uint8Array {
  const entry = writeBox(
    'avc1',
    words(0, 1, 0, 0, 0, 0, pair(width, height), DPI_72, DPI_72, 0, 0x10000),
    ...[new Uint8Array(30), Uint8Array.of(0, 0x18, 0xff, 0xff)],
    writeBox('avcC', avcC),
    ...(colr ? [writeBox('colr', colr)] : []),
    writeBox('pasp', words(1, 1)),
  );
  const header = { handler: 'vide', media: writeBox('vmhd', words(1, 0, 0)) };
  return init({ ...header, timescale, entry, volume: 0, size: [width, height] });
}

export type AacTrack = {
  timescale: number;
  channels: number;
  /** AudioSpecificConfig */
  configuration: Uint8Array;
  /** Decode time of the instant shown at time 0. */
  hiddenTicks: number;
};

export function aacInit({ timescale, channels, configuration, hiddenTicks }: AacTrack): Uint8Array {
  const specific = descriptor(5, configuration);
  // MPEG-4 audio, an audio stream; buffer and rates unsaid.
  const decoder = descriptor(4, Uint8Array.of(0x40, 0x15), new Uint8Array(11), specific);
  const stream = descriptor(3, Uint8Array.of(0, TRACK_ID, 0), decoder, descriptor(6, Uint8Array.of(2)));
  const entry = writeBox(
    'mp4a',
    words(0, 1, 0, 0, pair(channels, 16), 0, timescale * FIXED_ONE),
    writeBox('esds', words(0), stream),
  );
  // From the instant shown at time 0 to the open end: the one form that Media3, Shaka and Safari all honour.
  const edits = writeBox('edts', writeBox('elst', words(0, 1, 0, hiddenTicks, FIXED_ONE)));
  const header = { handler: 'soun', media: writeBox('smhd', words(0, 0)) };
  return init({ ...header, timescale, entry, volume: 0x01000000, size: [0, 0], edits });
}

function init(track: {
  handler: string;
  media: Uint8Array;
  timescale: number;
  entry: Uint8Array;
  volume: number;
  size: [number, number];
  edits?: Uint8Array;
}): Uint8Array {
  const { handler, media, timescale, entry, volume, size, edits } = track;
  const stbl = writeBox(
    'stbl',
    writeBox('stsd', words(0, 1), entry),
    ...['stts', 'stsc'].map((table) => writeBox(table, words(0, 0))),
    writeBox('stsz', words(0, 0, 0)),
    writeBox('stco', words(0, 0)),
  );
  const dinf = writeBox('dinf', writeBox('dref', words(0, 1), writeBox('url ', words(1))));
  const mdia = writeBox(
    'mdia',
    writeBox('mdhd', words(0, 0, 0, timescale, 0, UNDETERMINED_LANGUAGE)),
    writeBox('hdlr', words(0, 0), asciiBytes(handler), new Uint8Array(13)),
    writeBox('minf', media, dinf, stbl),
  );
  const tkhd = writeBox(
    'tkhd',
    words(3, 0, 0, TRACK_ID, 0, 0, 0, 0, 0, volume, ...IDENTITY_MATRIX),
    words(size[0] * FIXED_ONE, size[1] * FIXED_ONE),
  );
  const mvhd = writeBox(
    'mvhd',
    words(0, 0, 0, MOVIE_TIMESCALE, 0, FIXED_ONE, 0x01000000, 0, 0, ...IDENTITY_MATRIX),
    words(0, 0, 0, 0, 0, 0, TRACK_ID + 1),
  );
  const trak = writeBox('trak', tkhd, ...(edits ? [edits] : []), mdia);
  const mvex = writeBox('mvex', writeBox('trex', words(0, TRACK_ID, 1, 0, 0, 0)));
  const ftyp = writeBox('ftyp', asciiBytes('iso6'), words(0), asciiBytes('iso6cmfcmp41'));
  return Buffer.concat([ftyp, writeBox('moov', mvhd, trak, mvex)]);
}

/** Two 16-bit values in one word. */
function pair(high: number, low: number): number {
  return high * 0x10000 + low;
}

/** ISO/IEC 14496-1 §8.3.3, with a length of one byte, which all of ours have. */
function descriptor(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  if (body.length > 127) throw new RangeError(`a descriptor of ${body.length} bytes`);
  return Buffer.concat([Uint8Array.of(tag, body.length), body]);
}
