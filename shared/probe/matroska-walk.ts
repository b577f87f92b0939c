// Reads a Matroska file element by element, as far as its bytes are at hand: headers, and the times of blocks.
import { type ByteSource, BytesMissing } from './byte-source.ts';
import { elementAt, uint } from './ebml.ts';
import { openSegment } from './matroska.ts';
import { fieldsOf, float, type MatroskaTrack, matroskaTracks } from './matroska-streams.ts';
import type { PacketTimes } from './picture-times.ts';
import type { StreamFacts } from './stream-facts.ts';

export type WalkedMatroska = {
  streams: StreamFacts[];
  /** By stream index: the packets that were seen. */
  times: Map<number, PacketTimes>;
  /** What the header declares, from the container's own zero. */
  durationSeconds?: number;
  hasTracks: boolean;
  /** What stopped the walk; absent where every packet of the file was seen. */
  missing?: BytesMissing;
};

const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const TRACKS = 0x1654ae6b;
const CLUSTER = 0x1f43b675;
const CLUSTER_TIME = 0xe7;
const SIMPLE_BLOCK = 0xa3;
const BLOCK_GROUP = 0xa0;
const BLOCK = 0xa1;
const BLOCK_DURATION = 0x9b;
const REFERENCE_BLOCK = 0xfb;
const ATTACHMENTS = 0x1941a469;
const ATTACHED_FILE = 0x61a7;
const TIMESTAMP_SCALE = 0x2ad7b1;
const DURATION = 0x4489;

/** Stepped into rather than over; so it does not matter whether their sizes are known. */
const OPENED = new Set([SEGMENT, CLUSTER, BLOCK_GROUP, ATTACHMENTS]);
/** Blocks of half a mebibyte are a few thousand. */
const MAX_ELEMENTS = 20_000;
const MAX_HEADER_BYTES = 1024 * 1024;
const DEFAULT_SCALE_NS = 1_000_000;
const KEY_FLAG = 0x80;
const LACING_FLAGS = 0x06;

type Block = { ticks: number; durationTicks: number; isKey: boolean; frames: number };

/** @throws AppError media_truncated as {@link openSegment}. */
export async function walkMatroska(source: ByteSource): Promise<WalkedMatroska | undefined> {
  const segment = await openSegment(source);
  if (!segment) return undefined;
  const walk = new Walk();
  return walk.result(await walk.from(source, segment.body));
}

class Walk {
  readonly #blocks = new Map<number, Block[]>();
  #tracks: MatroskaTrack[] | undefined;
  #attachments = 0;
  #scaleNs = DEFAULT_SCALE_NS;
  #duration: number | undefined;
  #clusterTicks = 0;
  #grouped: Block | undefined;

  /** What was not at hand when the end of the file was not reached. */
  async from(source: ByteSource, start: number): Promise<BytesMissing | undefined> {
    let offset = start;
    try {
      for (let count = 0; count < MAX_ELEMENTS; count++) {
        const element = await elementAt(source, offset);
        if (!element) return undefined;
        if (!OPENED.has(element.id)) {
          if (!element.isSized) return undefined;
          const wanted = wantedBytes(element.id);
          const length = Math.min(wanted, element.end - element.body, source.sizeBytes - element.body);
          if (wanted > 0 && length >= 0) this.#take(element.id, await source.read(element.body, length));
        }
        offset = OPENED.has(element.id) ? element.body : element.end;
      }
    } catch (error) {
      if (error instanceof BytesMissing) return error;
      throw error;
    }
    return new BytesMissing(offset, source.sizeBytes - offset);
  }

  #take(id: number, body: Uint8Array): void {
    if (id === TRACKS) this.#tracks ??= matroskaTracks(body);
    if (id === ATTACHED_FILE) this.#attachments++;
    if (id === CLUSTER_TIME) this.#clusterTicks = uint(body);
    if (id === SIMPLE_BLOCK || id === BLOCK) this.#takeBlock(id, body);
    if (id === BLOCK_DURATION && this.#grouped) this.#grouped.durationTicks = uint(body);
    if (id === REFERENCE_BLOCK && this.#grouped) this.#grouped.isKey = false;
    if (id !== INFO) return;
    const fields = fieldsOf(body);
    const scale = fields.get(TIMESTAMP_SCALE);
    const duration = fields.get(DURATION);
    if (scale) this.#scaleNs = uint(scale.subarray(0, 8)) || DEFAULT_SCALE_NS;
    if (duration) this.#duration = float(duration);
  }

  /** Track number, time relative to the cluster, flags (RFC 9559 §10.2). */
  #takeBlock(id: number, body: Uint8Array): void {
    const numberLength = Math.clz32(body[0] ?? 0) - 23;
    if (numberLength > 4 || body.length < numberLength + 3) return;
    const digits = body.slice(0, numberLength);
    digits[0]! &= 0xff >> numberLength;
    const relative = ((body[numberLength]! << 24) >> 16) | body[numberLength + 1]!;
    const flags = body[numberLength + 2]!;
    const block = {
      ticks: this.#clusterTicks + relative,
      durationTicks: 0,
      isKey: id === BLOCK || (flags & KEY_FLAG) !== 0,
      frames: flags & LACING_FLAGS ? 1 + (body[numberLength + 3] ?? 0) : 1,
    };
    this.#grouped = id === BLOCK ? block : undefined;
    const track = uint(digits);
    const blocks = this.#blocks.get(track) ?? [];
    this.#blocks.set(track, blocks);
    blocks.push(block);
  }

  result(missing: BytesMissing | undefined): WalkedMatroska {
    const tracks = this.#tracks ?? [];
    const times = new Map<number, PacketTimes>();
    for (const { number, stream, defaultDurationNs } of tracks) {
      const blocks = this.#blocks.get(number) ?? [];
      if (blocks.length > 0) times.set(stream.index, this.#timesOf(blocks, defaultDurationNs));
    }
    const attachments = Array.from({ length: this.#attachments }, (_, index) =>
      attachment(tracks.length + index),
    );
    const seconds = this.#duration === undefined ? Number.NaN : (this.#duration * this.#scaleNs) / 1e9;
    return {
      streams: [...tracks.map(({ stream }) => stream), ...attachments],
      times,
      ...(seconds > 0 ? { durationSeconds: seconds } : {}),
      hasTracks: this.#tracks !== undefined,
      ...(missing ? { missing } : {}),
    };
  }

  #timesOf(blocks: Block[], defaultDurationNs: number): PacketTimes {
    const secondsOf = (ticks: number) => (ticks * this.#scaleNs) / 1e9;
    const starts = blocks.map(({ ticks }) => secondsOf(ticks));
    return {
      starts,
      durations: blocks.map(
        ({ durationTicks, frames }) => secondsOf(durationTicks) || (frames * defaultDurationNs) / 1e9,
      ),
      keys: starts.filter((_, index) => blocks[index]!.isKey).sort((a, b) => a - b),
    };
  }
}

/** How much of an element's body matters. */
function wantedBytes(id: number): number {
  if (id === TRACKS || id === INFO) return MAX_HEADER_BYTES;
  if (id === SIMPLE_BLOCK || id === BLOCK || id === CLUSTER_TIME || id === BLOCK_DURATION) return 8;
  return id === REFERENCE_BLOCK || id === ATTACHED_FILE ? 1 : 0;
}

/** ffmpeg counts a font or a cover as a stream. */
function attachment(index: number): StreamFacts {
  return {
    index,
    kind: 'other',
    width: 0,
    height: 0,
    rotationDegrees: 0,
    isInterlaced: false,
    sampleRate: 0,
    channels: 0,
    isDefault: false,
    isStill: true,
  };
}
