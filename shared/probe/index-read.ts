// Reads what can be known of a file without its media: streams, the times of its packets, and what a copy of
// its pictures would be like.
import { type ByteSource, BytesMissing, type FileEnds } from './byte-source.ts';
import type { ChosenStreams } from './choose-streams.ts';
import { type IsoIndex, inspectIso, topLevelBoxes } from './iso-boxes.ts';
import { avcOf, type CopyFacts, isoCopyFacts } from './iso-copy-facts.ts';
import { fragmentTimes } from './iso-fragments.ts';
import { isoStreams } from './iso-streams.ts';
import { indexedTimes } from './iso-times.ts';
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
    instantFacts: ({ video }) =>
      isoCopyFacts(source, index, video, {
        maxPackets: MAX_PACKETS,
        keysToSee: (gops) => gops.slice(0, MAX_KEYS_SEEN),
        areKeysSampled: false,
      }),
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
