// MP4 files made box by box, for runtimes without ffmpeg: H.264 pictures of 320x180 that have headers and no
// content. What is asked for is all that differs.
import { fromHex } from '../../shared/sign.ts';

export type SmallMp4Choices = {
  /** Order of the boxes after `ftyp`. */
  order?: ('moov' | 'mdat' | 'free')[];
  freeBytes?: number;
  pictures?: number;
  /** A key picture every so many. */
  keyEvery?: number;
  /** Bytes of one picture. */
  pictureBytes?: number;
  /** Type of the NAL unit in a key picture; 5 is an IDR. */
  keyNalType?: number;
  sampleEntry?: string;
  width?: number;
  /** a, b, c, d of the track's matrix. */
  matrix?: [number, number, number, number];
};

const TIMESCALE = 90_000;
const PICTURE_TICKS = 3600;
/** x264's own, of a 320x180 Main-profile clip. */
const AVC_CONFIGURATION =
  '014d400cffe10019674d400cd901419f9f011000000300100000030320f142a48001000568ebc3cb20';

export function smallMp4(choices: SmallMp4Choices = {}): Uint8Array {
  const { order = ['moov', 'mdat'], freeBytes = 0 } = choices;
  const ftyp = box('ftyp', text('isom'), u32(0), text('isomavc1'));
  const media = mediaOf(choices);
  const sizes = { moov: moov(choices, 0).length, mdat: media.length + 8, free: freeBytes + 8 };
  const mdatAt = order.slice(0, order.indexOf('mdat')).reduce((sum, name) => sum + sizes[name], ftyp.length);
  const boxes = {
    moov: moov(choices, mdatAt + 8),
    mdat: box('mdat', media),
    free: box('free', new Uint8Array(freeBytes)),
  };
  return joined(ftyp, ...order.map((name) => boxes[name]));
}

function mediaOf({ pictures = 50, keyEvery = 25, pictureBytes = 100, keyNalType = 5 }: SmallMp4Choices) {
  const media = new Uint8Array(pictures * pictureBytes);
  for (let index = 0; index < pictures; index++) {
    const type = index % keyEvery === 0 ? 0x60 | keyNalType : 0x41;
    media.set([...u32(pictureBytes - 4), type], index * pictureBytes);
  }
  return media;
}

function moov(choices: SmallMp4Choices, mediaAt: number): Uint8Array {
  const { pictures = 50, keyEvery = 25, pictureBytes = 100, sampleEntry = 'avc1' } = choices;
  const { width = 320, matrix = [1, 0, 0, 1] } = choices;
  const duration = pictures * PICTURE_TICKS;
  const transformation = (values: number[]) => {
    const [a, b, c, d] = values.map((value) => value * 0x10000);
    return u32(a!, b!, 0, c!, d!, 0, 0, 0, 0x40000000);
  };
  const mvhd = box(
    'mvhd',
    ...[u32(0, 0, 0, TIMESCALE, duration, 0x10000), new Uint8Array(12)],
    ...[transformation([1, 0, 0, 1]), new Uint8Array(28)],
  );
  const tkhd = box(
    'tkhd',
    ...[u32(3, 0, 0, 1, 0, duration), new Uint8Array(16), transformation(matrix)],
    u32(width * 0x10000, 180 * 0x10000),
  );
  const entry = box(
    sampleEntry,
    ...[new Uint8Array(24), u32(width * 0x10000 + 180), new Uint8Array(50)],
    box('avcC', fromHex(AVC_CONFIGURATION)),
  );
  const keys = Array.from({ length: Math.ceil(pictures / keyEvery) }, (_, index) => index * keyEvery + 1);
  const stbl = box(
    'stbl',
    box('stsd', u32(0, 1), entry),
    box('stts', u32(0, 1, pictures, PICTURE_TICKS)),
    box('stss', u32(0, keys.length, ...keys)),
    box('stsc', u32(0, 1, 1, pictures, 1)),
    box('stsz', u32(0, 0, pictures, ...Array<number>(pictures).fill(pictureBytes))),
    box('stco', u32(0, 1, mediaAt)),
  );
  const dinf = box('dinf', box('dref', u32(0, 1), box('url ', u32(1))));
  const mdia = box(
    'mdia',
    box('mdhd', u32(0, 0, 0, TIMESCALE, duration, 0x55c40000)),
    box('hdlr', u32(0, 0), text('vide'), new Uint8Array(13)),
    box('minf', box('vmhd', u32(1, 0, 0)), dinf, stbl),
  );
  return box('moov', mvhd, box('trak', tkhd, mdia));
}

function box(type: string, ...parts: Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  return joined(u32(body.length + 8), text(type), body);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function u32(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => {
    view.setUint32(4 * index, value);
  });
  return new Uint8Array(view.buffer);
}

function text(characters: string): Uint8Array {
  return new TextEncoder().encode(characters);
}
