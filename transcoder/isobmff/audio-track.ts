// Cuts an AAC track into segments at the frame nearest each boundary of the video grid, and writes them anew:
// one moof per segment. Frames are laid back to back on the track's own clock, whatever jitter a container's
// rounding gave them; a hole (or a late start) of a copied track is filled with silent frames.
import { AUDIO_STUB_SECONDS, type AudioClock, audioCut } from '../../shared/audio-cuts.ts';
import { AppError } from '../../shared/errors.ts';
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import { asciiBytes, BOX_HEADER_BYTES, malformed, u64Bytes, words, writeBox } from './boxes.ts';
import { aacFrameTicks } from './codecs.ts';
import type { Fragment, GrowingFile } from './growing-file.ts';
import { readEditList, trackTimescale, withSingleEdit } from './init.ts';
import { SEGMENT_TYPE_BOX } from './segment.ts';

export type AudioFormat = AudioClock & {
  /** With exactly one edit, which hides the encoder's priming. */
  init: Uint8Array;
  /** Silent frames before the track's own first one. */
  leadFrames: number;
  /** Frames at the track's own start that are left out: its edit list hides them, and decoding needs them not. */
  droppedFrames: number;
  silentFrame: Uint8Array;
};

/** One AAC frame: where it lies in the file, or silence. */
export type AacFrame = { sizeBytes: number; fileOffset: number | 'silence' };

export type AudioSegment = { index: number; firstFrame: number; frames: AacFrame[] };

/** Timestamps may stray this many frames from the track's own clock before a frame is added or dropped. */
const STRAY_FRAMES = 2;
/** Hidden frames that stay, so that the decoder is in step at the first one heard. */
const PREROLL_FRAMES = 2;
/** AAC-LC frames that decode to silence, by channel count. */
const SILENT_FRAMES: Record<number, readonly number[]> = {
  1: [0x00, 0xc8, 0x00, 0x80, 0x23, 0x80],
  2: [0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80],
  6: [1, 0x18, 0x20, 1, 8, 0x80, 0x23, 4, 0x60, 0x23, 0x10, 4, 0x60, 0x8c, 0x0c, 0x23, 0, 0, 0xe0],
};
/** Sample flags: depends on nothing, a sync sample. */
const SYNC_SAMPLE_FLAGS = 0x02000000;
const TRACK_ID = 1;

/** Settles a track's format from the init segment ffmpeg wrote. */
export function audioFormat(writtenInit: Uint8Array, channels: number): AudioFormat {
  const timescale = trackTimescale(writtenInit);
  const frameTicks = aacFrameTicks(writtenInit);
  const { pauseSeconds, hiddenTicks } = readEditList(writtenInit);
  const pauseTicks = Math.round(pauseSeconds * timescale);
  const leadFrames = Math.ceil(pauseTicks / frameTicks);
  // A recording cut without encoding hides all that lies before the cut, back to its last key picture.
  const droppedFrames = Math.max(0, Math.floor(hiddenTicks / frameTicks) - PREROLL_FRAMES);
  const allHiddenTicks = hiddenTicks + (leadFrames - droppedFrames) * frameTicks - pauseTicks;
  const silentFrame = SILENT_FRAMES[channels];
  if (!silentFrame) throw malformed(`There is no silent frame for ${channels} channels.`);
  return {
    init: withSingleEdit(writtenInit, allHiddenTicks),
    timescale,
    frameTicks,
    hiddenTicks: allHiddenTicks,
    leadFrames,
    droppedFrames,
    silentFrame: Uint8Array.from(silentFrame),
  };
}

/**
 * The segments of a track, in order and without a hole, from its first frame to its last.
 *
 * @param boundarySeconds Start of video segment `index`, for any index.
 */
export async function* audioSegments(
  fragments: AsyncIterable<Fragment>,
  format: AudioFormat,
  boundarySeconds: (index: number) => number,
): AsyncGenerator<AudioSegment, void, void> {
  const cutBefore = (index: number) => audioCut(format, boundarySeconds(index));
  const stubFrames = (AUDIO_STUB_SECONDS * format.timescale) / format.frameTicks;
  let complete: AudioSegment | undefined;
  let current: AudioSegment = { index: 0, firstFrame: 0, frames: [] };
  let cut = cutBefore(1);

  for await (const frame of backToBack(fragments, format)) {
    if (current.firstFrame + current.frames.length >= cut) {
      if (complete) yield complete;
      complete = current;
      current = { index: complete.index + 1, firstFrame: cut, frames: [] };
      cut = cutBefore(current.index + 1);
    }
    current.frames.push(frame);
    if (complete && current.frames.length >= stubFrames) {
      yield complete;
      complete = undefined;
    }
  }
  if (complete) yield { ...complete, frames: [...complete.frames, ...current.frames] };
  else if (current.frames.length > 0) yield current;
}

/** The bytes of a segment: styp, one moof, one mdat. Frame data goes from the file straight to its place. */
export async function assembleAudioSegment(
  file: Pick<GrowingFile, 'readInto'>,
  segment: AudioSegment,
  format: AudioFormat,
): Promise<Uint8Array> {
  const dataBytes = segment.frames.reduce((sum, frame) => sum + frame.sizeBytes, 0);
  // The offset's value does not change the moof's size: written once to measure, once for good.
  const measured = movieFragment(segment, format, 0);
  const moof = movieFragment(segment, format, measured.length + BOX_HEADER_BYTES);
  const bytes = new Uint8Array(SEGMENT_TYPE_BOX.length + moof.length + BOX_HEADER_BYTES + dataBytes);
  bytes.set(SEGMENT_TYPE_BOX);
  bytes.set(moof, SEGMENT_TYPE_BOX.length);
  const mdatAt = SEGMENT_TYPE_BOX.length + moof.length;
  bytes.set(words(BOX_HEADER_BYTES + dataBytes), mdatAt);
  bytes.set(asciiBytes('mdat'), mdatAt + 4);

  let at = mdatAt + BOX_HEADER_BYTES;
  for (let index = 0; index < segment.frames.length; ) {
    const { fileOffset, sizeBytes } = segment.frames[index++]!;
    if (fileOffset === 'silence') {
      bytes.set(format.silentFrame, at);
      at += sizeBytes;
      continue;
    }
    // Neighbours in the file are read at once.
    let runBytes = sizeBytes;
    while (segment.frames[index]?.fileOffset === fileOffset + runBytes) {
      runBytes += segment.frames[index++]!.sizeBytes;
    }
    await file.readInto(bytes.subarray(at, at + runBytes), fileOffset);
    at += runBytes;
  }
  return bytes;
}

async function* backToBack(
  fragments: AsyncIterable<Fragment>,
  { frameTicks, leadFrames, droppedFrames, silentFrame, timescale }: AudioFormat,
): AsyncGenerator<AacFrame, void, void> {
  const silence: AacFrame = { sizeBytes: silentFrame.length, fileOffset: 'silence' };
  const mostFrames = Math.ceil((MEDIA_LIMITS.maxDurationSeconds * timescale) / frameTicks);
  let frames = 0;
  let toDrop = droppedFrames;
  for (; frames < leadFrames && frames < mostFrames; frames++) yield silence;

  for await (const fragment of fragments) {
    let fileOffset = fragment.mdatOffset - fragment.moof.length + fragment.facts.dataOffset;
    let ticks = fragment.facts.baseTicks + (leadFrames - droppedFrames) * frameTicks;
    for (const sample of fragment.facts.samples) {
      const isDropped = toDrop-- > 0;
      const ahead = isDropped ? -STRAY_FRAMES : Math.round(ticks / frameTicks) - frames;
      for (let missing = ahead >= STRAY_FRAMES ? ahead : 0; missing > 0 && frames < mostFrames; missing--) {
        yield silence;
        frames++;
      }
      if (frames >= mostFrames) {
        throw new AppError('media_too_long', {
          detail: `An audio track lasts longer than ${MEDIA_LIMITS.maxDurationSeconds} seconds.`,
        });
      }
      if (ahead > -STRAY_FRAMES) {
        yield { sizeBytes: sample.sizeBytes, fileOffset };
        frames++;
      }
      fileOffset += sample.sizeBytes;
      ticks += sample.durationTicks;
    }
  }
}

function movieFragment(segment: AudioSegment, format: AudioFormat, dataOffset: number): Uint8Array {
  const mfhd = writeBox('mfhd', words(0, segment.index + 1));
  // default-base-is-moof, default duration, default flags
  const tfhd = writeBox('tfhd', words(0x020028, TRACK_ID, format.frameTicks, SYNC_SAMPLE_FLAGS));
  const tfdt = writeBox('tfdt', words(0x01000000), u64Bytes(segment.firstFrame * format.frameTicks));
  // data offset, sample sizes
  const sizes = segment.frames.map((frame) => frame.sizeBytes);
  const trun = writeBox('trun', words(0x000201, sizes.length, dataOffset, ...sizes));
  return writeBox('moof', mfhd, writeBox('traf', tfhd, tfdt, trun));
}
