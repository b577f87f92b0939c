// A plain MP4 with its index in front (ISO/IEC 14496-12 §8): ftyp and moov for samples that are laid out in chunks, one
// after another. Nothing of the source is in it but what a decoder must know.
import {
  asciiBytes,
  BOX_HEADER_BYTES,
  LARGE_BOX_HEADER_BYTES,
  u64Bytes,
  viewOf,
  words,
  writeBox,
} from './boxes.ts';
import type { Sample } from './fragment.ts';

export type MovieTrack = {
  kind: 'video' | 'audio';
  timescale: number;
  /** 0 x 0 for sound. */
  width: number;
  height: number;
  /** The whole stsd box. */
  description: Uint8Array;
  /** Decode time of the instant shown at time 0. */
  hiddenTicks: number;
  samples: SampleTable;
};

const MAX_U32 = 2 ** 32 - 1;
const FIXED_ONE = 0x10000;
const IDENTITY_MATRIX = [FIXED_ONE, 0, 0, 0, FIXED_ONE, 0, 0, 0, 0x40000000];
/** `und`, packed into three times five bits. */
const UNDETERMINED_LANGUAGE = 0x55c40000;

/** What the tables of a track say of its samples; a few bytes each, since films have hundreds of thousands. */
export class SampleTable {
  readonly sizes: number[] = [];
  readonly keys: number[] = [];
  /** Place of each chunk among all chunks of the file, and the samples in it. */
  readonly chunks: { place: number; samples: number }[] = [];
  readonly durations = new RunLengths();
  readonly compositions = new RunLengths();
  durationTicks = 0;
  leastComposition = 0;

  addChunk(place: number, samples: readonly Sample[]): void {
    for (const { sizeBytes, durationTicks, compositionTicks, isSync } of samples) {
      this.sizes.push(sizeBytes);
      if (isSync) this.keys.push(this.sizes.length);
      this.durations.add(durationTicks);
      this.compositions.add(compositionTicks);
      this.durationTicks += durationTicks;
      this.leastComposition = Math.min(this.leastComposition, compositionTicks);
    }
    this.chunks.push({ place, samples: samples.length });
  }
}

class RunLengths {
  readonly runs: { count: number; value: number }[] = [];

  add(value: number): void {
    const last = this.runs.at(-1);
    if (last?.value === value) last.count++;
    else this.runs.push({ count: 1, value });
  }
}

/**
 * Everything before the first chunk's bytes: ftyp, moov and the header of the mdat.
 *
 * @param chunkBytes Sizes of all chunks in the order they stand in the file.
 */
export function movieHead(tracks: readonly MovieTrack[], chunkBytes: readonly number[]): Uint8Array {
  const dataBytes = chunkBytes.reduce((sum, bytes) => sum + bytes, 0);
  const type = writeBox('ftyp', asciiBytes('isom'), words(0x200), asciiBytes('isomiso2avc1mp41'));
  const isLargeData = dataBytes + BOX_HEADER_BYTES > MAX_U32;
  const dataHeader = isLargeData
    ? Buffer.concat([words(1), asciiBytes('mdat'), u64Bytes(dataBytes + LARGE_BOX_HEADER_BYTES)])
    : Buffer.concat([words(dataBytes + BOX_HEADER_BYTES), asciiBytes('mdat')]);
  const offsetsFrom = (start: number) => {
    let next = start;
    return chunkBytes.map((bytes) => {
      const offset = next;
      next += bytes;
      return offset;
    });
  };
  // Offsets do not change the moov's size, only whether they take four bytes or eight does.
  const measured = movieBox(tracks, offsetsFrom(0), true).length;
  const isLarge = type.length + measured + dataHeader.length + dataBytes > MAX_U32;
  const moovBytes = isLarge ? measured : movieBox(tracks, offsetsFrom(0), false).length;
  const start = type.length + moovBytes + dataHeader.length;
  return Buffer.concat([type, movieBox(tracks, offsetsFrom(start), isLarge), dataHeader]);
}

function movieBox(tracks: readonly MovieTrack[], offsets: readonly number[], isLarge: boolean): Uint8Array {
  // The pictures' own clock, so that their length is exact.
  const timescale = tracks[0]!.timescale;
  const durations = tracks.map((track) => shownTicks(track, timescale));
  const header = writeBox(
    'mvhd',
    words(0x01000000, 0, 0, 0, 0, timescale),
    u64Bytes(Math.max(...durations)),
    words(FIXED_ONE, 0x01000000, 0, 0, ...IDENTITY_MATRIX, 0, 0, 0, 0, 0, 0, tracks.length + 1),
  );
  const boxes = tracks.map((track, index) => trackBox(track, index + 1, durations[index]!, offsets, isLarge));
  return writeBox('moov', header, ...boxes);
}

/** Ticks of the movie's clock; a part of one counts as one. */
function shownTicks({ samples, hiddenTicks, timescale }: MovieTrack, movieTimescale: number): number {
  return Math.ceil(((samples.durationTicks - hiddenTicks) * movieTimescale) / timescale);
}

function trackBox(
  track: MovieTrack,
  id: number,
  durationTicks: number,
  offsets: readonly number[],
  isLarge: boolean,
): Uint8Array {
  const { kind, samples, timescale, width, height } = track;
  const isVideo = kind === 'video';
  const header = writeBox(
    'tkhd',
    words(0x01000003, 0, 0, 0, 0, id, 0),
    u64Bytes(durationTicks),
    words(0, 0, 0, isVideo ? 0 : 0x01000000, ...IDENTITY_MATRIX, width * FIXED_ONE, height * FIXED_ONE),
  );
  // Offsets are written from 0 up, which every player reads; the edit takes back what that adds.
  const mediaTime = track.hiddenTicks - samples.leastComposition;
  const edit = writeBox(
    'elst',
    words(0x01000000, 1),
    ...[u64Bytes(durationTicks), u64Bytes(mediaTime), words(FIXED_ONE)],
  );
  const mediaHeader = writeBox(
    'mdhd',
    words(0x01000000, 0, 0, 0, 0, timescale),
    u64Bytes(samples.durationTicks),
    words(UNDETERMINED_LANGUAGE),
  );
  const handler = writeBox('hdlr', words(0, 0), asciiBytes(isVideo ? 'vide' : 'soun'), new Uint8Array(13));
  const dinf = writeBox('dinf', writeBox('dref', words(0, 1), writeBox('url ', words(1))));
  const minf = writeBox(
    'minf',
    isVideo ? writeBox('vmhd', words(1, 0, 0)) : writeBox('smhd', words(0, 0)),
    dinf,
    writeBox('stbl', ...tables(track, offsets, isLarge)),
  );
  return writeBox('trak', header, writeBox('edts', edit), writeBox('mdia', mediaHeader, handler, minf));
}

function tables(
  { description, samples }: MovieTrack,
  offsets: readonly number[],
  isLarge: boolean,
): Uint8Array[] {
  const { sizes, keys, chunks, durations, compositions, leastComposition } = samples;
  const places = chunks.map(({ place }) => offsets[place]!);
  const isReordered = compositions.runs.some(({ value }) => value !== leastComposition);
  return [
    description,
    table('stts', [durations.runs.length, ...pairs(durations, 0)]),
    ...(isReordered
      ? [table('ctts', [compositions.runs.length, ...pairs(compositions, -leastComposition)])]
      : []),
    ...(keys.length < sizes.length ? [table('stss', [keys.length, ...keys])] : []),
    table('stsc', samplesPerChunk(chunks)),
    table('stsz', [0, sizes.length, ...sizes]),
    isLarge
      ? table('co64', [places.length, ...places.flatMap((at) => [Math.floor(at / 2 ** 32), at % 2 ** 32])])
      : table('stco', [places.length, ...places]),
  ];
}

/** First chunk (from 1), samples in each, description: one row for each run of equal chunks. */
function samplesPerChunk(chunks: SampleTable['chunks']): number[] {
  const rows: number[] = [];
  let count = 0;
  for (const [index, { samples }] of chunks.entries()) {
    if (index > 0 && samples === chunks[index - 1]!.samples) continue;
    rows.push(index + 1, samples, 1);
    count++;
  }
  return [count, ...rows];
}

function pairs({ runs }: RunLengths, shift: number): number[] {
  return runs.flatMap(({ count, value }) => [count, value + shift]);
}

/** A full box of 32-bit words. */
function table(type: string, values: readonly number[]): Uint8Array {
  const body = new Uint8Array((values.length + 1) * 4);
  const view = viewOf(body);
  values.forEach((value, index) => {
    view.setUint32((index + 1) * 4, value);
  });
  return writeBox(type, body);
}
