// Reads fragmented MP4 media segments of any writer: several tracks, several runs, offsets of every kind.
import { createHash } from 'node:crypto';
import { type Box, boxesIn, childrenOf, malformed, readFullBox, requireBox } from '../isobmff/boxes.ts';
import {
  readBaseTicks,
  readRun,
  readTrackHeader,
  type Sample,
  type SampleDefaults,
} from '../isobmff/fragment.ts';
import type { TrackInfo } from './init-tracks.ts';
import { isKeyPicture } from './picture-units.ts';
import {
  factsOf,
  orderProblem,
  type SegmentFacts,
  type SegmentProblem,
  type TimedSample,
} from './segment-facts.ts';

type PlacedSample = TimedSample & { at: number; sizeBytes: number };
type TrackSamples = { info: TrackInfo; samples: PlacedSample[]; numbers: number[] };

const MALFORMED = 'segment-readable';

/**
 * @param fileOffset where in its file the segment lies
 * @throws AppError verification_failed where the boxes cannot be followed.
 */
export function readFragmentSegment(
  bytes: Uint8Array,
  infos: readonly TrackInfo[],
  fileOffset = 0,
): SegmentFacts {
  const found = new Map<number, TrackSamples>();
  const problems: SegmentProblem[] = [];
  const report = (check: string, problem: string) => problems.push({ check, problem });
  const boxes = boxesIn(bytes);
  const data = boxes.filter(({ type }) => type === 'mdat');
  for (const box of boxes.filter(({ type }) => type === 'moof')) {
    for (const { traf, number } of trafsOf(bytes, box)) {
      readTraf({ bytes, moof: box, traf, number, fileOffset }, infos, found, report);
    }
  }
  if (found.size === 0 && problems.length === 0) throw malformed('The segment holds no fragment.');
  const notChecked: string[] = [];
  for (const { info, samples, numbers } of found.values()) {
    const outside = samples.findIndex(
      ({ at, sizeBytes }) => !data.some((mdat) => at >= mdat.bodyStart && at + sizeBytes <= mdat.end),
    );
    if (outside >= 0)
      report(MALFORMED, `Sample ${outside} of track ${info.id} is not within the media data.`);
    if (numbers.some((number, index) => index > 0 && number <= numbers[index - 1]!))
      report('fragment-order', `The fragments are numbered ${numbers.join(' ')}.`);
    const order = info.kind === 'video' ? orderProblem(samples, 1) : undefined;
    if (order) report('decode-order', order);
    if (info.kind === 'video' && outside < 0) readPictures(bytes, info, samples, report, notChecked);
  }
  const dataBytes = data.reduce((sum, { bodyStart, end }) => sum + end - bodyStart, 0);
  const sampleBytes = [...found.values()]
    .flatMap(({ samples }) => samples)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Senders may keep auxiliary data of encryption in the mdat.
  if (sampleBytes !== dataBytes && !infos.some(({ isEncrypted }) => isEncrypted))
    report(MALFORMED, `The samples have ${sampleBytes} bytes, the media data ${dataBytes}.`);
  return {
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    tracks: [...found.values()].map(({ info, samples, numbers }) =>
      factsOf(info, samples, { first: numbers[0]!, last: numbers.at(-1)! }),
    ),
    checked: checkedOf([...found.values()].map(({ info }) => info)),
    problems,
    info: [],
    notChecked,
  };
}

function checkedOf(infos: readonly TrackInfo[]): string[] {
  const video = infos.filter(({ kind }) => kind === 'video');
  const isRead = video.some(({ form, isEncrypted }) => form && !isEncrypted);
  return [
    ...['init-matches', 'fragment-order'],
    ...(video.length > 0 ? ['decode-order'] : []),
    ...(isRead ? ['key-flags'] : []),
  ];
}

function trafsOf(bytes: Uint8Array, moof: Box): { traf: Box; number: number }[] {
  const children = childrenOf(bytes, moof);
  const number = readFullBox(bytes, requireBox(bytes, 'mfhd', moof)).reader.u32();
  return children.filter(({ type }) => type === 'traf').map((traf) => ({ traf, number }));
}

type Traf = { bytes: Uint8Array; moof: Box; traf: Box; number: number; fileOffset: number };

function readTraf(
  { bytes, moof, traf, number, fileOffset }: Traf,
  infos: readonly TrackInfo[],
  found: Map<number, TrackSamples>,
  report: (check: string, problem: string) => void,
): void {
  const header = readTrackHeader(bytes, traf);
  const info = infos.find(({ id }) => id === header.trackId);
  if (!info) {
    report('init-matches', `Track ${header.trackId} is not in the init segment.`);
    return;
  }
  const track = found.get(info.id) ?? { info, samples: [], numbers: [] };
  found.set(info.id, track);
  track.numbers.push(number);
  let ticks = readBaseTicks(bytes, traf);
  const before = track.samples.at(-1);
  const expected = before ? before.decodeTicks + before.durationTicks : ticks;
  if (Math.abs(ticks - expected) > 1)
    report('tfdt-continuous', `Within the segment a fragment starts at tick ${ticks}, not ${expected}.`);
  const defaults: SampleDefaults = {
    durationTicks: header.defaults.durationTicks ?? info.defaults.durationTicks,
    sizeBytes: header.defaults.sizeBytes ?? info.defaults.sizeBytes,
    flags: header.defaults.flags ?? info.defaults.flags,
  };
  const base = header.baseOffset === undefined ? moof.start : header.baseOffset - fileOffset;
  let at = base;
  for (const trun of childrenOf(bytes, traf).filter(({ type }) => type === 'trun')) {
    const run = readRun(bytes, trun, defaults);
    if (run.dataOffset !== undefined) at = base + run.dataOffset;
    for (const sample of run.samples) {
      track.samples.push(placed(sample, ticks, at));
      ticks += sample.durationTicks;
      at += sample.sizeBytes;
    }
  }
}

function placed(sample: Sample, decodeTicks: number, at: number): PlacedSample {
  const { durationTicks, sizeBytes, compositionTicks, isSync } = sample;
  return {
    decodeTicks,
    shownTicks: decodeTicks + compositionTicks,
    durationTicks,
    isKey: isSync,
    at,
    sizeBytes,
  };
}

/** Do the pictures' own bytes say what their flags say? */
function readPictures(
  bytes: Uint8Array,
  { form, isEncrypted }: TrackInfo,
  samples: readonly PlacedSample[],
  report: (check: string, problem: string) => void,
  notChecked: string[],
): void {
  if (!form || isEncrypted) {
    notChecked.push(isEncrypted ? 'pictures are encrypted' : 'pictures of a codec that is not read');
    return;
  }
  for (const [index, { at, sizeBytes, isKey }] of samples.entries()) {
    const isRealKey = isKeyPicture(bytes.subarray(at, at + sizeBytes), form);
    if (isRealKey === undefined) {
      report(MALFORMED, `Picture ${index} is not made of whole units.`);
      return;
    }
    // HEVC and AV1 have key pictures that a muxer need not mark.
    if (isKey !== isRealKey && (isKey || form.family === 'avc')) {
      const [marked, real] = [isKey ? '' : 'not ', isRealKey ? '' : 'not '];
      report('key-flags', `Picture ${index} is ${marked}marked as a key frame and is ${real}one.`);
      return;
    }
  }
}
