// What a copy of an MP4's or MOV's pictures would be like, from its index and the first bytes of key pictures.
import type { InstantFacts } from '../instant.ts';
import { type ByteSource, BytesMissing } from './byte-source.ts';
import { type AvcConfiguration, readAvcConfiguration } from './codec-configuration.ts';
import type { IsoIndex, IsoTrack } from './iso-boxes.ts';
import { type Gop, readGops } from './iso-gops.ts';
import { type TrackClock, trackClock, walkPictures } from './iso-times.ts';
import type { StreamFacts } from './stream-facts.ts';

export type CopyFacts = Omit<InstantFacts, 'container' | 'video' | 'ladder'>;

export type CopyLook = {
  /** Pictures whose index is read. */
  maxPackets: number;
  /** The key pictures whose first bytes are looked at, of all there are. */
  keysToSee(gops: Gop[]): Gop[];
  /** Whether those stand for all of them. */
  areKeysSampled: boolean;
};

/** A peak is measured over groups of pictures that together last at least this long. */
const PEAK_WINDOW_SECONDS = 2;

export async function isoCopyFacts(
  source: ByteSource,
  index: IsoIndex,
  video: StreamFacts,
  look: CopyLook,
): Promise<CopyFacts> {
  const track = index.tracks[video.index]!;
  const avc = avcOf(video);
  const gops = index.isFragmented ? undefined : readGops(track, index, look.maxPackets);
  const clock = trackClock(track, index);
  return {
    isFragmented: index.isFragmented,
    avc,
    hasPlainEdits:
      clock !== undefined && (index.isFragmented || keepsItsGroups(track, clock, look.maxPackets)),
    sampleEntryCount: track.sampleEntries.length,
    gops: gops && {
      longestSeconds: gops.reduce((longest, { durationSeconds }) => Math.max(longest, durationSeconds), 0),
      peakBps: peakOf(gops),
      isAnyOpen: gops.some(({ isOpen }) => isOpen),
    },
    areKeysClean: avc && gops ? await areKeysClean(source, gops, avc, look) : undefined,
  };
}

export function avcOf(video: StreamFacts): AvcConfiguration | undefined {
  const record = video.codec === 'h264' ? video.configuration : undefined;
  return record && readAvcConfiguration(record);
}

/** Whether the edit list hides no picture that a shown one may need: a copy cannot hide anything. */
function keepsItsGroups(track: IsoTrack, clock: TrackClock, maxPackets: number): boolean {
  const steps = track.boxes.get('stts');
  let state: 'before' | 'shown' | 'after' = 'before';
  let isKept = true;
  const visit = (_sample: number, ticks: number, _step: number, isKey: boolean) => {
    const isShown = ticks >= clock.shownFrom && ticks < clock.shownTo;
    if (isShown && (state === 'after' || (state === 'before' && !isKey))) isKept = false;
    if (isShown) state = 'shown';
    else if (state === 'shown') state = 'after';
  };
  if (steps) walkPictures(track, steps, maxPackets, visit);
  return isKept;
}

function peakOf(gops: Gop[]): number {
  let peak = 0;
  let seconds = 0;
  let bytes = 0;
  for (const [position, gop] of gops.entries()) {
    // What is left at the end, shorter than a window, says nothing of its own.
    if (seconds >= PEAK_WINDOW_SECONDS) [seconds, bytes] = [0, 0];
    seconds += gop.durationSeconds;
    bytes += gop.sizeBytes;
    const isLast = position === gops.length - 1;
    if (seconds >= PEAK_WINDOW_SECONDS || (isLast && peak === 0 && seconds > 0)) {
      peak = Math.max(peak, (bytes * 8) / seconds);
    }
  }
  return peak;
}

const NAL_SLICE = 1;
const NAL_IDR = 5;
const MAX_NALS = 16;

/** Whether every key picture looked at is an IDR; undefined where not every one is at hand. */
async function areKeysClean(
  source: ByteSource,
  gops: Gop[],
  { lengthBytes }: AvcConfiguration,
  { keysToSee, areKeysSampled }: CopyLook,
): Promise<boolean | undefined> {
  const wanted = keysToSee(gops);
  const seen = wanted.map(async (gop) => {
    try {
      return (await firstSliceType(source, gop, lengthBytes)) !== NAL_SLICE;
    } catch (error) {
      if (error instanceof BytesMissing) return undefined;
      throw error;
    }
  });
  const answers = await Promise.all(seen);
  if (answers.includes(false)) return false;
  return !answers.includes(undefined) && (areKeysSampled || wanted.length === gops.length) ? true : undefined;
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
