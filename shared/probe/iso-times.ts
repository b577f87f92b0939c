// Packet times of a track from its index alone, without touching the media: two hours take a fraction of a
// second and a few megabytes.
import { MEDIA_LIMITS } from '../limits.ts';
import type { IsoIndex, IsoTrack } from './iso-boxes.ts';
import type { PacketTimes } from './picture-times.ts';

const MAX_PACKETS = MEDIA_LIMITS.maxDurationSeconds * MEDIA_LIMITS.maxFramesPerSecond;

/**
 * Times of one track as its edit list shows them; packets the list hides are left out. Sound is told as one
 * packet from its start to its end. Undefined for a track with no times, or whose edit list does more than to
 * wait, skip a beginning and cut an end, or whose tables are cut short: then only a demuxer knows.
 */
export function indexedTimes(
  track: IsoTrack,
  index: Pick<IsoIndex, 'boxes'>,
  maxPackets = MAX_PACKETS,
): PacketTimes | undefined {
  try {
    const clock = trackClock(track, index);
    const steps = track.boxes.get('stts');
    if (!clock || !steps || steps.getUint32(4) === 0) return undefined;
    return track.handler === 'soun'
      ? soundTimes(steps, clock)
      : pictureTimes(track, steps, clock, maxPackets);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** How a track's own ticks become seconds of the movie. */
export type TrackClock = {
  ticksPerSecond: number;
  /** The ticks shown: from the first (inclusive) to the end (exclusive). */
  shownFrom: number;
  shownTo: number;
  /** When the first shown tick is due. */
  waitSeconds: number;
};

export function secondsAt(clock: TrackClock, ticks: number): number {
  return clock.waitSeconds + (ticks - clock.shownFrom) / clock.ticksPerSecond;
}

/** Undefined where the clock stands still or the edit list has parts that this reader does not follow. */
export function trackClock(track: IsoTrack, index: Pick<IsoIndex, 'boxes'>): TrackClock | undefined {
  const ticksPerSecond = timescale(track.boxes.get('mdhd'));
  if (!ticksPerSecond) return undefined;
  const clock = { ticksPerSecond, shownFrom: 0, shownTo: Number.POSITIVE_INFINITY, waitSeconds: 0 };
  const elst = track.boxes.get('elst');
  if (!elst || elst.getUint32(4) === 0) return clock;

  const movieTimescale = timescale(index.boxes.find(({ type }) => type === 'mvhd')?.body);
  if (!movieTimescale) return undefined;
  const isLong = elst.getUint8(0) === 1;
  const entryBytes = isLong ? 20 : 12;
  const count = elst.getUint32(4);
  for (let entry = 0; entry < count; entry++) {
    const at = 8 + entry * entryBytes;
    const duration = isLong ? Number(elst.getBigUint64(at)) : elst.getUint32(at);
    const mediaTime = isLong ? Number(elst.getBigInt64(at + 8)) : elst.getInt32(at + 4);
    if (mediaTime >= 0) {
      if (entry !== count - 1) return undefined;
      clock.shownFrom = mediaTime;
      // A duration of zero reaches to the end.
      if (duration > 0) clock.shownTo = mediaTime + Math.round((duration / movieTimescale) * ticksPerSecond);
      return clock;
    }
    clock.waitSeconds += duration / movieTimescale;
  }
  return undefined;
}

/** `mdhd` and `mvhd` begin alike. */
function timescale(header: DataView | undefined): number {
  if (!header) return 0;
  return header.getUint32(header.getUint8(0) === 1 ? 20 : 12);
}

function pictureTimes(
  track: IsoTrack,
  steps: DataView,
  clock: TrackClock,
  maxPackets: number,
): PacketTimes | undefined {
  const times: PacketTimes = { starts: [], durations: [], keys: [] };
  const isComplete = walkPictures(track, steps, maxPackets, (_sample, ticks, step, isKey) => {
    if (ticks < clock.shownFrom || ticks >= clock.shownTo) return;
    const start = secondsAt(clock, ticks);
    times.starts.push(start);
    times.durations.push(step / clock.ticksPerSecond);
    if (isKey) times.keys.push(start);
  });
  if (!isComplete) return undefined;
  times.keys.sort((a, b) => a - b);
  return times;
}

/** Visits pictures in the order of decoding; false where there are more than `maxPackets`. */
export function walkPictures(
  track: IsoTrack,
  steps: DataView,
  maxPackets: number,
  visit: (sample: number, ticks: number, step: number, isKey: boolean) => void,
): boolean {
  const offsetAt = offsetReader(track.boxes.get('ctts'));
  const isKeyAt = keyReader(track.boxes.get('stss'));
  const sampleCount = track.tables.sizes?.getUint32(8) ?? 0;
  let sample = 0;
  let decodeTicks = 0;
  for (let run = 0; run < steps.getUint32(4); run++) {
    const count = steps.getUint32(8 + 8 * run);
    const step = steps.getUint32(12 + 8 * run);
    for (let index = 0; index < count && sample < sampleCount; index++) {
      if (sample >= maxPackets) return false;
      visit(sample, decodeTicks + offsetAt(sample), step, isKeyAt(sample));
      decodeTicks += step;
      sample++;
    }
  }
  return true;
}

/** From the first tick that is heard to the last; a demuxer trims the packets at both ends likewise. */
function soundTimes(steps: DataView, clock: TrackClock): PacketTimes | undefined {
  let ticks = 0;
  for (let run = 0; run < steps.getUint32(4); run++) {
    ticks += steps.getUint32(8 + 8 * run) * steps.getUint32(12 + 8 * run);
  }
  const endTicks = Math.min(ticks, clock.shownTo);
  if (endTicks <= clock.shownFrom) return undefined;
  const start = secondsAt(clock, clock.shownFrom);
  return { starts: [start], durations: [secondsAt(clock, endTicks) - start], keys: [start] };
}

/** Composition offsets by ascending sample. */
function offsetReader(ctts: DataView | undefined): (sample: number) => number {
  if (!ctts) return () => 0;
  const runCount = ctts.getUint32(4);
  let run = 0;
  let runEnd = runCount > 0 ? ctts.getUint32(8) : 0;
  return (sample) => {
    while (sample >= runEnd && run + 1 < runCount) {
      run++;
      runEnd += ctts.getUint32(8 + 8 * run);
    }
    // Version 0 has no negative offsets by the book and does in practice.
    return sample < runEnd ? ctts.getInt32(12 + 8 * run) : 0;
  };
}

/** Key pictures by ascending sample; without a table every picture is one. */
function keyReader(stss: DataView | undefined): (sample: number) => boolean {
  if (!stss) return () => true;
  const count = stss.getUint32(4);
  let next = 0;
  return (sample) => {
    while (next < count && stss.getUint32(8 + 4 * next) < sample + 1) next++;
    return next < count && stss.getUint32(8 + 4 * next) === sample + 1;
  };
}
