// Packet times of a fragmented MP4 from its `moof` boxes (ISO/IEC 14496-12 §8.8).
import type { ByteSource } from './byte-source.ts';
import { boxAt, type IsoIndex, malformed, topLevelBoxes, view } from './iso-boxes.ts';
import { secondsAt, type TrackClock, trackClock } from './iso-times.ts';
import type { PacketTimes } from './picture-times.ts';

const MAX_FRAGMENT_BYTES = 512 * 1024;
const OPENED = new Set(['traf']);
const NOT_A_KEY = 0x10000;

type Defaults = { duration: number; flags: number };
type FragmentTrack = {
  clock: TrackClock;
  defaults: Defaults;
  nextTicks: number;
  times: PacketTimes;
};

/**
 * Times by track id; packets before the edit's start are left out. Undefined where there is more than
 * `maxPackets`, or an edit list that is not followed.
 *
 * @throws BytesMissing where a fragment is not at hand; AppError media_malformed; RangeError for broken boxes.
 */
export async function fragmentTimes(
  source: ByteSource,
  index: IsoIndex,
  maxPackets: number,
): Promise<Map<number, PacketTimes> | undefined> {
  const tracks = new Map<number, FragmentTrack>();
  for (const track of index.tracks) {
    const clock = trackClock(track, index);
    if (!clock) return undefined;
    // An edit's length counts for the index's own samples; fragments go on beyond it.
    clock.shownTo = Number.POSITIVE_INFINITY;
    const times: PacketTimes = { starts: [], durations: [], keys: [] };
    tracks.set(track.id, { clock, defaults: defaultsOf(index, track.id), nextTicks: 0, times });
  }
  const budget = { packets: maxPackets };
  for await (const box of topLevelBoxes(source, index.endOffset)) {
    if (box.type !== 'moof') continue;
    if (box.size > MAX_FRAGMENT_BYTES) throw malformed('A fragment (moof) is absurdly large.');
    const body = view(await source.read(box.offset + box.headerSize, box.size - box.headerSize));
    readFragment(body, tracks, budget);
    if (budget.packets < 0) return undefined;
  }
  const times = [...tracks].map(([id, one]) => [id, one.times] as const);
  for (const [, one] of times) one.keys.sort((a, b) => a - b);
  return new Map(times.filter(([, one]) => one.starts.length > 0));
}

function defaultsOf(index: IsoIndex, trackId: number): Defaults {
  const trex = index.boxes.find(({ type, body }) => type === 'trex' && body.getUint32(4) === trackId)?.body;
  return trex ? { duration: trex.getUint32(12), flags: trex.getUint32(20) } : { duration: 0, flags: 0 };
}

function readFragment(moof: DataView, tracks: Map<number, FragmentTrack>, budget: { packets: number }): void {
  let track: FragmentTrack | undefined;
  let defaults: Defaults = { duration: 0, flags: 0 };
  const walk = (start: number, end: number) => {
    for (let offset = start; offset + 8 <= end; ) {
      const box = boxAt(moof, offset, end, end - offset);
      if (!box || offset + box.size > end) throw malformed('A box of a fragment has an impossible size.');
      const bodyStart = offset + box.headerSize;
      const body = new DataView(moof.buffer, moof.byteOffset + bodyStart, box.size - box.headerSize);
      if (box.type === 'tfhd') {
        track = tracks.get(body.getUint32(4));
        defaults = track ? fragmentDefaults(body, track.defaults) : defaults;
      }
      if (box.type === 'tfdt' && track) {
        track.nextTicks = body.getUint8(0) === 1 ? Number(body.getBigUint64(4)) : body.getUint32(4);
      }
      if (box.type === 'trun' && track) readRun(body, track, defaults, budget);
      if (OPENED.has(box.type)) walk(bodyStart, offset + box.size);
      offset += box.size;
    }
  };
  walk(0, moof.byteLength);
}

function fragmentDefaults(tfhd: DataView, defaults: Defaults): Defaults {
  const flags = tfhd.getUint32(0) & 0xffffff;
  const found = { ...defaults };
  let at = 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0);
  if (flags & 0x8) {
    found.duration = tfhd.getUint32(at);
    at += 4;
  }
  if (flags & 0x10) at += 4;
  if (flags & 0x20) found.flags = tfhd.getUint32(at);
  return found;
}

function readRun(
  trun: DataView,
  track: FragmentTrack,
  defaults: Defaults,
  budget: { packets: number },
): void {
  const flags = trun.getUint32(0) & 0xffffff;
  const count = trun.getUint32(4);
  let at = 8 + (flags & 0x1 ? 4 : 0);
  const firstFlags = flags & 0x4 ? trun.getUint32(at) : undefined;
  if (flags & 0x4) at += 4;
  for (let sample = 0; sample < count; sample++) {
    if (--budget.packets < 0) return;
    const duration = flags & 0x100 ? trun.getUint32(at) : defaults.duration;
    at += (flags & 0x100 ? 4 : 0) + (flags & 0x200 ? 4 : 0);
    const own = flags & 0x400 ? trun.getUint32(at) : defaults.flags;
    if (flags & 0x400) at += 4;
    const offset = flags & 0x800 ? trun.getInt32(at) : 0;
    if (flags & 0x800) at += 4;
    const sampleFlags = sample === 0 ? (firstFlags ?? own) : own;
    take(track, track.nextTicks + offset, duration, (sampleFlags & NOT_A_KEY) === 0);
    track.nextTicks += duration;
  }
}

function take({ clock, times }: FragmentTrack, ticks: number, duration: number, isKey: boolean): void {
  if (ticks < clock.shownFrom && ticks + duration <= clock.shownFrom) return;
  const start = secondsAt(clock, Math.max(ticks, clock.shownFrom));
  times.starts.push(start);
  times.durations.push(secondsAt(clock, ticks + duration) - start);
  if (isKey) times.keys.push(start);
}
