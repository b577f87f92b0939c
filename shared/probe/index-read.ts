// Reads what can be known of a file without its media: streams, the times of its packets, and what a copy of
// its pictures would be like.
import type { InstantFacts } from '../instant.ts';
import { type ByteSource, BytesMissing, type FileEnds } from './byte-source.ts';
import type { ChosenStreams } from './choose-streams.ts';
import { readAvcConfiguration } from './codec-configuration.ts';
import { type IsoIndex, inspectIso, topLevelBoxes } from './iso-boxes.ts';
import { fragmentTimes } from './iso-fragments.ts';
import { type Gop, readGops } from './iso-gops.ts';
import { isoStreams } from './iso-streams.ts';
import { indexedTimes, trackClock } from './iso-times.ts';
import { walkMatroska } from './matroska-walk.ts';
import { extentOf, type PacketTimes, pictureTiming } from './picture-times.ts';
import { FALLBACK_FPS } from './source-info.ts';
import type { StreamFacts } from './stream-facts.ts';

export type IndexRead = {
  streams: StreamFacts[];
  hasIndex: boolean;
  /** Some of the packets were not seen. */
  isSampled: boolean;
  /** Times by stream index; undefined where only the whole file can tell. */
  times(chosen: ChosenStreams): Promise<Map<number, PacketTimes> | undefined>;
  instantFacts(chosen: ChosenStreams, times: Map<number, PacketTimes>): Promise<CopyFacts>;
};

type CopyFacts = Omit<InstantFacts, 'container' | 'video' | 'ladder'>;

/**
 * Every picture costs an index 4 bytes for its size and some for its place and time, so the bytes at hand hold
 * fewer; more are the work of a forger, who pays with nothing for what costs us time.
 */
const MAX_PACKETS = 100_000;
/** Key pictures whose first bytes are looked at. */
const MAX_KEYS_SEEN = 1000;

/** Whether the index of an MP4 or MOV comes before its media; undefined where neither is at hand. */
export async function indexLeads(source: ByteSource): Promise<boolean | undefined> {
  try {
    for await (const { type } of topLevelBoxes(source, 0)) {
      if (type === 'moov' || type === 'mdat') return type === 'moov';
    }
  } catch {
    // Whatever is wrong will be told by whoever reads the index.
  }
  return undefined;
}

/** @throws AppError media_…; BytesMissing where the index is not at hand; RangeError for broken tables. */
export async function readIso(source: FileEnds): Promise<IndexRead> {
  const index = await inspectIso(source).catch(async (error: unknown) => {
    const trailing = error instanceof BytesMissing ? await trailingIndex(source) : undefined;
    if (trailing === undefined) throw error;
    return inspectIso(source, trailing);
  });
  return {
    streams: isoStreams(index),
    hasIndex: !index.isFragmented,
    isSampled: false,
    times: (chosen) => isoTimes(source, index, chosen),
    instantFacts: (chosen) => isoCopyFacts(source, index, chosen),
  };
}

const MOOV = [0x6d, 0x6f, 0x6f, 0x76] as const;
const MAX_CANDIDATES = 64;

/**
 * Where the index begins when the boxes before it are not at hand: at a `moov` in the last bytes from which box
 * follows box to the very end of the file.
 */
async function trailingIndex(source: FileEnds): Promise<number | undefined> {
  const { tailOffset, sizeBytes } = source;
  const tail = await source.read(tailOffset, sizeBytes - tailOffset);
  let candidates = 0;
  for (let at = tail.indexOf(MOOV[0], 4); at !== -1; at = tail.indexOf(MOOV[0], at + 1)) {
    if (!MOOV.every((byte, index) => tail[at + index] === byte)) continue;
    if (++candidates > MAX_CANDIDATES) return undefined;
    const offset = tailOffset + at - 4;
    if (await endsWithFile(source, offset)) return offset;
  }
  return undefined;
}

async function endsWithFile(source: ByteSource, start: number): Promise<boolean> {
  let end = start;
  try {
    for await (const { offset, size } of topLevelBoxes(source, start)) end = offset + size;
  } catch {
    return false;
  }
  return end === source.sizeBytes;
}

async function isoTimes(
  source: ByteSource,
  index: IsoIndex,
  { video, audio }: ChosenStreams,
): Promise<Map<number, PacketTimes> | undefined> {
  const byTrack = index.isFragmented ? await fragmentTimes(source, index, MAX_PACKETS) : undefined;
  const times = new Map<number, PacketTimes>();
  for (const stream of [video, ...audio]) {
    const track = index.tracks[stream.index]!;
    const found = index.isFragmented ? byTrack?.get(track.id) : indexedTimes(track, index, MAX_PACKETS);
    if (found) times.set(stream.index, found);
    else if (!isEmpty(index, stream.index)) return undefined;
  }
  return times;
}

/** A track may promise sound and hold none. */
function isEmpty(index: IsoIndex, stream: number): boolean {
  return !index.isFragmented && (index.tracks[stream]?.tables.sizes?.getUint32(8) ?? 0) === 0;
}

async function isoCopyFacts(
  source: ByteSource,
  index: IsoIndex,
  { video }: ChosenStreams,
): Promise<CopyFacts> {
  const track = index.tracks[video.index]!;
  const avc = avcOf(video);
  const gops = index.isFragmented ? undefined : readGops(track, index, MAX_PACKETS);
  return {
    isFragmented: index.isFragmented,
    avc,
    hasPlainEdits: trackClock(track, index) !== undefined,
    sampleEntryCount: track.sampleEntries.length,
    gops: gops && {
      longestSeconds: gops.reduce((longest, { durationSeconds }) => Math.max(longest, durationSeconds), 0),
      peakBps: gops.reduce((peak, gop) => Math.max(peak, bitrateOf(gop)), 0),
      isAnyOpen: gops.some(({ isOpen }) => isOpen),
    },
    areKeysClean: avc && gops ? await areKeysClean(source, gops, avc.lengthBytes) : undefined,
  };
}

function avcOf(video: StreamFacts) {
  const record = video.codec === 'h264' ? video.configuration : undefined;
  return record && readAvcConfiguration(record);
}

function bitrateOf({ sizeBytes, durationSeconds }: Gop): number {
  return durationSeconds > 0 ? (sizeBytes * 8) / durationSeconds : 0;
}

const NAL_SLICE = 1;
const NAL_IDR = 5;
const MAX_NALS = 16;

/** Whether every key picture is an IDR; undefined where not every one is at hand. */
async function areKeysClean(
  source: ByteSource,
  gops: Gop[],
  lengthBytes: number,
): Promise<boolean | undefined> {
  let isEveryOneSeen = gops.length <= MAX_KEYS_SEEN;
  for (const gop of gops.slice(0, MAX_KEYS_SEEN)) {
    try {
      if ((await firstSliceType(source, gop, lengthBytes)) === NAL_SLICE) return false;
    } catch (error) {
      if (!(error instanceof BytesMissing)) throw error;
      isEveryOneSeen = false;
    }
  }
  return isEveryOneSeen ? true : undefined;
}

/** The type of the first slice of a picture; undefined where there is none among its first units. */
async function firstSliceType(
  source: ByteSource,
  { keyOffset, keyBytes }: Gop,
  lengthBytes: number,
): Promise<number | undefined> {
  let offset = keyOffset;
  for (let count = 0; count < MAX_NALS && offset + lengthBytes < keyOffset + keyBytes; count++) {
    const unit = await source.read(offset, lengthBytes + 1);
    const type = (unit[lengthBytes] ?? 0) & 0x1f;
    if (type === NAL_SLICE || type === NAL_IDR) return type;
    offset += lengthBytes + unit.subarray(0, lengthBytes).reduce((value, byte) => value * 256 + byte, 0);
  }
  return undefined;
}

/** @throws AppError media_truncated; BytesMissing where the headers are not at hand. */
export async function readMatroska(source: ByteSource): Promise<IndexRead> {
  const walked = await walkMatroska(source);
  if (!walked) throw new RangeError('There is no segment.');
  const { streams, missing, durationSeconds } = walked;
  if (!walked.hasTracks && missing) throw missing;
  return {
    streams,
    hasIndex: false,
    isSampled: missing !== undefined,
    async times({ video, audio }) {
      if (missing && (durationSeconds === undefined || !walked.times.has(video.index))) return undefined;
      const times = new Map<number, PacketTimes>();
      for (const { index } of [video, ...audio]) {
        const seen = walked.times.get(index);
        if (seen) times.set(index, missing ? lastingUntil(seen, durationSeconds!) : lasting(seen));
      }
      return times;
    },
    async instantFacts({ video }) {
      return {
        isFragmented: false,
        avc: avcOf(video),
        hasPlainEdits: undefined,
        sampleEntryCount: 1,
        gops: undefined,
        areKeysClean: undefined,
      };
    },
  };
}

/** Packets without a duration last until the next one. */
function lasting(times: PacketTimes): PacketTimes {
  const extent = extentOf(times);
  const count = times.starts.length;
  if (!extent || count < 2) return times;
  const lastStart = times.starts.reduce((last, start) => Math.max(last, start), extent.startSeconds);
  const step = (lastStart - extent.startSeconds) / (count - 1);
  return { ...times, durations: times.durations.map((seconds) => seconds || step) };
}

/** The packets between were not seen: one more stands for them, and ends where the header says the file ends. */
function lastingUntil(times: PacketTimes, endSeconds: number): PacketTimes {
  const timing = pictureTiming(times, FALLBACK_FPS);
  if (!timing || timing.endSeconds >= endSeconds) return times;
  const step = 1 / timing.typicalFps;
  return {
    starts: [...times.starts, endSeconds - step],
    durations: [...times.durations, step],
    keys: times.keys,
  };
}
