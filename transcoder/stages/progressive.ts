// One MP4 of a whole film for players without HLS or DASH: the stored segments of one rung and of the default sound,
// put together anew. Nothing is encoded, and the source is not read.
import { createHash } from 'node:crypto';
import { MIB } from '../../shared/limits.ts';
import { contentTypeOf, PROGRESSIVE } from '../../shared/object-keys.ts';
import { type ProgressiveFile, progressiveRendition } from '../../shared/progressive.ts';
import { requireBox } from '../isobmff/boxes.ts';
import { readEditList } from '../isobmff/init.ts';
import { interleaved, type TrackSegments } from '../isobmff/interleave.ts';
import { type MovieTrack, movieHead, SampleTable } from '../isobmff/movie.ts';
import { createSegmentStore, type SegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';
import type { FinishedAudio, FinishedTracks, FinishedVideo } from '../tracks.ts';

/** Parts of one size but the last, as R2 wants them. A file of one part is stored at once, and read but once. */
export const PART_BYTES = 16 * MIB;

/**
 * Undefined for what is protected, since the file would be in the clear, and for sound alone. The same bytes in every
 * attempt.
 */
export async function makeProgressive(
  context: TaskContext,
  { video, audio, protection }: Pick<FinishedTracks, 'video' | 'audio' | 'protection'>,
  partBytes = PART_BYTES,
): Promise<ProgressiveFile | undefined> {
  const pictures = progressiveRendition(video);
  if (!pictures || protection) return undefined;
  const sound = audio.find(({ isDefault, surroundOf }) => isDefault && surroundOf === undefined) ?? audio[0];
  const used = [pictures, ...(sound ? [sound] : [])];
  const store = createSegmentStore(context.r2, context.claim.job.outputPrefix, context.log, undefined);
  const read = readerOf(store, used, partBytes);
  const tracks = await Promise.all(used.map((track) => openTrack(store, track, read)));

  const chunkBytes: number[] = [];
  for await (const { track, samples } of interleaved(tracks, context.signal)) {
    tracks[track]!.samples.addChunk(chunkBytes.length, samples);
    chunkBytes.push(samples.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  }
  const head = movieHead(tracks, chunkBytes);
  const sizeBytes = chunkBytes.reduce((sum, bytes) => sum + bytes, head.length);
  const hash = createHash('sha256');
  const parts = inParts(fileBytes(head, tracks, context.signal), partBytes, (bytes) => hash.update(bytes));
  await storeFile(context, parts, sizeBytes <= partBytes);
  context.log.info('progressive.stored', { rendition: pictures.name, sizeBytes });
  return { rendition: pictures.name, sizeBytes, sha256: hash.digest('hex') };
}

type Track = FinishedVideo | FinishedAudio;
type Reader = (stem: string, index: number) => Promise<Uint8Array>;

/** Both passes read every segment; of a small file they are kept in between. */
function readerOf(store: SegmentStore, tracks: readonly Track[], keptBytes: number): Reader {
  const sizes = tracks.flatMap(({ segments }) => segments.map(({ sizeBytes }) => sizeBytes));
  if (sizes.reduce((sum, size) => sum + size, 0) > keptBytes) return store.clearSegment;
  const kept = new Map<string, Promise<Uint8Array>>();
  return (stem, index) => {
    const name = `${stem}/${index}`;
    const known = kept.get(name) ?? store.clearSegment(stem, index);
    kept.set(name, known);
    return known;
  };
}

async function openTrack(
  store: SegmentStore,
  track: Track,
  read: Reader,
): Promise<MovieTrack & TrackSegments> {
  const init = await store.clearInit(track.stem);
  const stsd = requireBox(init, 'moov/trak/mdia/minf/stbl/stsd');
  const isVideo = 'width' in track;
  return {
    kind: isVideo ? 'video' : 'audio',
    width: isVideo ? track.width : 0,
    height: isVideo ? track.height : 0,
    timescale: track.timescale,
    description: nameless(init.slice(stsd.start, stsd.end), isVideo),
    hiddenTicks: readEditList(init).hiddenTicks,
    samples: new SampleTable(),
    segmentCount: track.segments.length,
    read: (index) => read(track.stem, index),
  };
}

/** The stsd without the encoder's name, of which its one entry of pictures has 32 bytes (ISO/IEC 14496-12 §12.1.3). */
function nameless(stsd: Uint8Array, isVideo: boolean): Uint8Array {
  const nameAt = 16 + 50;
  return isVideo ? stsd.fill(0, nameAt, nameAt + 32) : stsd;
}

async function* fileBytes(
  head: Uint8Array,
  tracks: readonly TrackSegments[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  yield head;
  for await (const { samples } of interleaved(tracks, signal)) {
    for (const { data } of samples) yield data;
  }
}

/** The bytes in parts of `partBytes`, the last one shorter; `heard` gets each before it is handed on. */
async function* inParts(
  pieces: AsyncIterable<Uint8Array>,
  partBytes: number,
  heard: (part: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, void> {
  let part = Buffer.allocUnsafe(partBytes);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(piece.length - at, partBytes - filled);
      part.set(piece.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < partBytes) continue;
      heard(part);
      yield part;
      part = Buffer.allocUnsafe(partBytes);
      filled = 0;
    }
  }
  if (filled === 0) return;
  heard(part.subarray(0, filled));
  yield part.subarray(0, filled);
}

/** Writing it again is harmless: its bytes follow from objects that never change. */
async function storeFile(
  { r2, claim }: TaskContext,
  parts: AsyncIterable<Uint8Array>,
  isOnePart: boolean,
): Promise<void> {
  const key = claim.job.outputPrefix + PROGRESSIVE;
  const type = contentTypeOf(PROGRESSIVE)!;
  if (!isOnePart) return await r2.putParts(key, parts, type);
  for await (const part of parts) await r2.putOnce(key, part, type);
}
