// The facts of an MPEG-TS segment: H.264, HEVC and AAC are read; other streams are named as not checked.
import { createHash } from 'node:crypto';
import { avcCodecString } from '../../shared/codec-string.ts';
import { readH264Sps } from '../../shared/probe/h264-sps.ts';
import { malformed } from '../isobmff/boxes.ts';
import { readAdts } from './adts.ts';
import { spsSizes, type TrackInfo } from './init-tracks.ts';
import { annexBUnits, isKeyNal, type NalForm, nalType } from './nal-units.ts';
import {
  factsOf,
  orderProblem,
  type SegmentFacts,
  type SegmentProblem,
  type TimedSample,
  type TrackFacts,
} from './segment-facts.ts';
import { type PesPacket, readTs, type TsStream } from './ts-packets.ts';

export const TS_TIMESCALE = 90_000;
/** Timestamps have 33 bits. */
const WRAP_TICKS = 2 ** 33;
const VIDEO_FAMILIES: Record<number, NalForm['family']> = { 27: 'avc', 36: 'hevc' };
const AAC_STREAM = 0x0f;
/** Times in ticks of 1/90000 s round; so do the lengths of AAC frames. */
const ROUNDING_TICKS = 2;

type Report = (check: string, problem: string) => void;
type Track = { info: TrackInfo; facts: TrackFacts };

/** @throws AppError verification_failed where there is nothing to read. */
export function readTsSegment(bytes: Uint8Array): SegmentFacts {
  const problems: SegmentProblem[] = [];
  const report: Report = (check, problem) => problems.push({ check, problem });
  const { streams, problems: broken } = readTs(bytes);
  if (broken[0]) report('segment-readable', broken[0]);
  const notChecked: string[] = [];
  const unread: TrackInfo[] = [];
  const tracks = streams.flatMap((stream): Track[] => {
    if (stream.packets.length === 0) return [];
    const family = VIDEO_FAMILIES[stream.streamType];
    if (family) return [readVideo(stream, family, report)];
    if (stream.streamType === AAC_STREAM) return [readAac(stream, report)];
    unread.push(trackInfo(stream.pid, 'other'));
    notChecked.push(`an MPEG-TS stream of type 0x${stream.streamType.toString(16)}`);
    return [];
  });
  if (tracks.length === 0) throw malformed(broken[0] ?? 'The segment holds no stream that is read here.');
  return {
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    tracks: tracks.map(({ facts }) => facts),
    checked: tracks.some(({ info }) => info.kind === 'video') ? ['decode-order'] : [],
    problems,
    info: [...tracks.map(({ info }) => info), ...unread],
    notChecked,
  };
}

function trackInfo(id: number, kind: TrackInfo['kind']): TrackInfo {
  const defaults = { durationTicks: undefined, sizeBytes: undefined, flags: undefined };
  const edit = { pauseSeconds: 0, hiddenTicks: 0 };
  return { id, kind, timescale: TS_TIMESCALE, codecs: undefined, isEncrypted: false, edit, defaults };
}

/** One access unit in each PES packet, as HLS requires nearly so and all packagers do. */
function readVideo({ pid, packets }: TsStream, family: NalForm['family'], report: Report): Track {
  const info = trackInfo(pid, 'video');
  const pictures = unwrapped(packets).map((packet) => {
    let isKey = false;
    for (const unit of annexBUnits(packet.payload)) {
      const type = nalType(unit[0] ?? 0, family);
      if (isKeyNal(type, family)) isKey = true;
      if (family === 'avc' && type === 7) readSps(unit, info);
    }
    return { ...packet, isKey };
  });
  const steps = pictures.slice(1).map(({ dtsTicks }, index) => dtsTicks - pictures[index]!.dtsTicks);
  if (steps.some((step) => step <= 0)) report('decode-order', 'The decode times do not increase.');
  // The last picture's length is in no field; it is that of most others.
  const usual = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const samples = pictures.map(
    ({ dtsTicks, ptsTicks, isKey }, index): TimedSample => ({
      decodeTicks: dtsTicks,
      shownTicks: ptsTicks,
      durationTicks: steps[index] ?? usual,
      isKey,
    }),
  );
  const order = orderProblem(samples, ROUNDING_TICKS);
  if (order) report('decode-order', order);
  return { info, facts: factsOf(info, samples, undefined) };
}

function readSps(unit: Uint8Array, info: TrackInfo): void {
  const sps = readH264Sps(unit);
  if (!sps) return;
  Object.assign(info, spsSizes(sps));
  info.codecs ??= avcCodecString(unit);
}

function readAac({ pid, packets }: TsStream, report: Report): Track {
  const info = trackInfo(pid, 'audio');
  const timed = unwrapped(packets);
  // A frame may go on in the next packet.
  const adts = readAdts(Buffer.concat(timed.map(({ payload }) => payload)));
  if (!adts) report('segment-readable', `The AAC stream ${pid} is not made of whole frames.`);
  else {
    info.codecs = `mp4a.40.${adts.objectType}`;
    info.channels = adts.channels;
  }
  const start = timed[0]!.ptsTicks;
  const frameTicks = adts ? (adts.frameSamples * TS_TIMESCALE) / adts.sampleRate : 0;
  const frames = adts?.frames ?? timed.length;
  const samples = Array.from({ length: frames }, (_, frame): TimedSample => {
    const ticks = start + frame * frameTicks;
    return { decodeTicks: ticks, shownTicks: ticks, durationTicks: frameTicks, isKey: true };
  });
  return { info, facts: { ...factsOf(info, samples, undefined), keyTicks: [] } };
}

/** Times that go on past 2^33. */
function unwrapped(packets: readonly PesPacket[]): PesPacket[] {
  const base = packets[0]!.dtsTicks;
  const near = (ticks: number) => {
    if (ticks - base < -WRAP_TICKS / 2) return ticks + WRAP_TICKS;
    return ticks - base > WRAP_TICKS / 2 ? ticks - WRAP_TICKS : ticks;
  };
  return packets.map(({ ptsTicks, dtsTicks, payload }) => ({
    ptsTicks: near(ptsTicks),
    dtsTicks: near(dtsTicks),
    payload,
  }));
}
