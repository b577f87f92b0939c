// A player as Media3 is one, simulated in steps of ten milliseconds: separate loaders for picture and sound over one
// link, its buffer and bitrate rules, and the CMCD it would send, as header text. What it knows of itself is the truth
// that an estimate is held against. Deterministic by its seed.
//
// Taken from Media3's defaults: 50 s of buffer, begins with 1 s, goes on after a stall with 2 s, takes 70 % of the
// measured bandwidth, raises quality from 10 s of buffer on. `bl` is rounded to 100 ms, `mtp` to 100 kbps.
import type { CmcdRecord } from '../../shared/cmcd-record.ts';
import { cmcdOf, recordOf } from '../../worker/watch/cmcd-parse.ts';
import { randomOf } from './random.ts';

const STEP_MS = 10;
const SEGMENT_MS = 6000;
const BUFFER_MS = 50_000;
const BEGIN_MS = 1000;
const RESUME_MS = 2000;
const FIRST_PICTURE_MS = 80;
const RUNGS = [
  { name: '240p', kbps: 400 },
  { name: '360p', kbps: 800 },
  { name: '480p', kbps: 1500 },
  { name: '720p', kbps: 2800 },
  { name: '1080p', kbps: 5000 },
];
const SOUND_KBPS = 128;
const PLAYLIST_BITS = 40_000;
const INIT_BITS = 8000;

export type Session = {
  seed: number;
  roundTripMs: number;
  /** Whether the connection is open before the first request. */
  isWarm: boolean;
  /** Kilobits per second, one for each second. */
  trace: readonly number[];
  durationMs: number;
  leavesAfterMs: number;
  pause?: { atMs: number; forMs: number };
  /** To a place in the video. */
  seek?: { atMs: number; toMs: number };
};

export type Truth = { startupMs: number; stallMs: number; playMs: number };

type Track = {
  isSound: boolean;
  /** Segments that are in, and where the next would begin. */
  next: number;
  loadedMs: number;
  load?: {
    bits: number;
    restBits: number;
    startsMs: number;
    sentMs: number;
    isSegment: boolean;
    segmentMs: number;
  };
  hasInit: boolean;
  stalledSince: boolean;
};

export function simulate(session: Session): { truth: Truth; records: CmcdRecord[] } {
  const { roundTripMs, trace, durationMs, seed } = session;
  const random = randomOf(seed);
  const records: CmcdRecord[] = [];
  const truth: Truth = { startupMs: Number.NaN, stallMs: 0, playMs: 0 };
  const tracks: Track[] = [false, true].map((isSound) => ({
    ...{ isSound, next: 0, loadedMs: 0, hasInit: false, stalledSince: false },
  }));
  let nowMs = session.isWarm ? 0 : 2 * roundTripMs;
  let positionMs = 0;
  let bandwidthKbps = 1500 + random() * 2000;
  let rung = RUNGS.findLastIndex(({ kbps }) => kbps <= 0.7 * bandwidthKbps);
  let state: 'starting' | 'playing' | 'stalled' | 'seeking' = 'starting';
  let readyMs = Number.POSITIVE_INFINITY;
  let { pause, seek } = session;
  let pausedUntilMs = 0;

  const send = (name: string, headers: Record<string, string>) => {
    const request = new Request(`https://a.test/p/t/${name}`, { headers });
    const media = {
      sessionId: `s${seed}`,
      name,
      atMs: 1e12 + Math.round(nowMs + roundTripMs / 2),
      roundTripMs,
    };
    records.push(recordOf(cmcdOf(request)!, media, 'Films/3.2.1 (Linux; Android 14) AndroidXMedia3/1.8.0'));
  };
  const fixed = `cid="film",sf=h,sid="s${seed}",st=v`;
  for (const name of ['master.m3u8', 'stream_480p.m3u8', 'audio_en.m3u8']) {
    send(name, { 'CMCD-Object': 'ot=m', 'CMCD-Session': fixed });
    nowMs += roundTripMs + PLAYLIST_BITS / kbpsAt(trace, nowMs);
  }

  const begin = (track: Track) => {
    const { kbps, name } = RUNGS[rung]!;
    const bufferMs = Math.max(0, track.loadedMs - positionMs);
    const segmentMs = Math.min(SEGMENT_MS, durationMs - track.next * SEGMENT_MS);
    const bitrate = track.isSound ? SOUND_KBPS : kbps;
    const bits = track.hasInit ? segmentMs * bitrate * (0.85 + 0.3 * random()) : INIT_BITS;
    const isEmpty = bufferMs === 0;
    const stem = track.isSound ? 'audio_en' : `stream_${name}`;
    const number = String(track.next).padStart(3, '0');
    const isUrgent = isEmpty || track.stalledSince;
    const roundedMs = Math.round(bufferMs / 100) * 100;
    const objectType = track.hasInit ? (track.isSound ? 'a' : 'v') : 'i';
    const length = track.hasInit ? `,d=${segmentMs}` : '';
    const status = track.stalledSince ? { 'CMCD-Status': 'bs' } : undefined;
    send(track.hasInit ? `${stem}_${number}.m4s` : `${stem}_init.mp4`, {
      'CMCD-Object': `br=${bitrate}${length},ot=${objectType},tb=${track.isSound ? SOUND_KBPS : 5000}`,
      'CMCD-Request': `bl=${roundedMs},dl=${roundedMs},mtp=${Math.round(bandwidthKbps / 100) * 100}${isUrgent ? ',su' : ''}`,
      'CMCD-Session': fixed,
      ...status,
    });
    track.load = {
      ...{ bits, restBits: bits, sentMs: nowMs, startsMs: nowMs + roundTripMs },
      ...{ isSegment: track.hasInit, segmentMs },
    };
    if (track.hasInit) track.stalledSince = false;
  };

  const endMs = session.leavesAfterMs;
  for (; nowMs < endMs && positionMs < durationMs; nowMs += STEP_MS) {
    if (seek && state === 'playing' && nowMs >= seek.atMs) {
      positionMs = seek.toMs;
      for (const track of tracks) {
        const isKept = track.loadedMs > positionMs;
        if (isKept) continue;
        delete track.load;
        track.next = Math.floor(positionMs / SEGMENT_MS);
        track.loadedMs = track.next * SEGMENT_MS;
        track.stalledSince = false;
        state = 'seeking';
      }
      seek = undefined;
    }
    if (pause && state === 'playing' && nowMs >= pause.atMs) {
      pausedUntilMs = nowMs + pause.forMs;
      pause = undefined;
    }
    for (const track of tracks) {
      if (track.load || track.next * SEGMENT_MS >= durationMs || track.loadedMs - positionMs >= BUFFER_MS)
        continue;
      if (!track.isSound) rung = chosen(rung, bandwidthKbps, track.loadedMs - positionMs);
      begin(track);
    }
    const moving = tracks.filter(({ load }) => load && nowMs >= load.startsMs);
    for (const track of moving) {
      const load = track.load!;
      load.restBits -= (kbpsAt(trace, nowMs) * STEP_MS) / moving.length;
      if (load.isSegment) {
        const share = 1 - Math.max(0, load.restBits) / load.bits;
        track.loadedMs = track.next * SEGMENT_MS + share * load.segmentMs;
      }
      if (load.restBits > 0) continue;
      if (load.isSegment) {
        track.next++;
        if (!track.isSound)
          bandwidthKbps = 0.7 * bandwidthKbps + 0.3 * (load.bits / (nowMs + STEP_MS - load.sentMs));
      } else track.hasInit = true;
      delete track.load;
    }
    const endOfBuffer = Math.min(...tracks.map(({ loadedMs }) => loadedMs));
    const wantedMs = state === 'stalled' ? RESUME_MS : BEGIN_MS;
    if (state === 'playing') {
      if (nowMs < pausedUntilMs) continue;
      if (endOfBuffer - positionMs < STEP_MS && endOfBuffer < durationMs) {
        state = 'stalled';
        for (const track of tracks) track.stalledSince = true;
      } else {
        positionMs += STEP_MS;
        truth.playMs += STEP_MS;
      }
    } else {
      if (state === 'stalled') truth.stallMs += STEP_MS;
      const isReady = endOfBuffer - positionMs >= wantedMs || endOfBuffer >= durationMs;
      if (isReady && state === 'starting') readyMs = Math.min(readyMs, nowMs + FIRST_PICTURE_MS);
      if (isReady && (state !== 'starting' || nowMs >= readyMs)) {
        if (state === 'starting') truth.startupMs = nowMs;
        state = 'playing';
      }
    }
  }
  return { truth, records };
}

function chosen(current: number, bandwidthKbps: number, bufferMs: number): number {
  const ideal = Math.max(
    0,
    RUNGS.findLastIndex(({ kbps }) => kbps <= 0.7 * bandwidthKbps),
  );
  if (ideal > current && bufferMs < 10_000) return Math.max(0, current);
  if (ideal < current && bufferMs >= 25_000) return current;
  return ideal;
}

function kbpsAt(trace: readonly number[], atMs: number): number {
  return trace[Math.floor(atMs / 1000) % trace.length]!;
}
