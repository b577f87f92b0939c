// What a migration will take, from the sizes and lengths of its sources. Every number that is assumed is in one table
// and is printed with the result.
import { pickRungs } from '../../shared/ladder.ts';
import type { ProbedSource } from './probe-remote.ts';

const GB = 1e9;
const HOUR_SECONDS = 3600;

export type Assumptions = {
  /** A whole ladder at 1080p30 by one transcoder, as a multiple of real time. */
  realTimes1080p: number;
  transcoders: number;
  vCpus: number;
  memoryGib: number;
  /** What segments take of the ceilings of their rungs: quality, not the ceiling, decides. */
  shareOfCeiling: number;
  segmentSeconds: number;
  dollars: { vCpuSecond: number; gibSecond: number; storedGbMonth: number; millionWrites: number };
};

/** Cloudflare's list prices as last looked up for this table; a bill is what the account's plan says. */
export const ASSUMPTIONS: Assumptions = {
  realTimes1080p: 1,
  transcoders: 1,
  vCpus: 4,
  memoryGib: 12,
  shareOfCeiling: 0.5,
  segmentSeconds: 6,
  dollars: { vCpuSecond: 0.00002, gibSecond: 0.0000025, storedGbMonth: 0.015, millionWrites: 4.5 },
};

export type Estimate = {
  items: number;
  /** Of the items whose length is known. */
  hours: number;
  unknownLengths: number;
  sourceBytes: number;
  storedBytes: number;
  workSeconds: number;
  elapsedSeconds: number;
  dollarsOnce: number;
  dollarsPerMonth: number;
};

const PIXEL_RATE_1080P30 = 1920 * 1080 * 30;
/** Sound of one language, beside the pictures. */
const SOUND_BPS = 160_000;

/** @param sources those that are to be converted; @param parallel items at once */
export function estimateOf(
  sources: readonly { sizeBytes: number; probed: ProbedSource | undefined }[],
  assumed: Assumptions,
  parallel: number,
): Estimate {
  const known = sources.flatMap(({ probed }) => probed ?? []);
  const sourceBytes = sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let seconds = 0;
  let workSeconds = 0;
  let outputBytes = 0;
  let writes = 0;
  for (const one of known) {
    const rungs = pickRungs(one);
    const pixelRate = one.width * one.height * Math.min(60, one.framesPerSecond);
    const ceilings = rungs.reduce((sum, { maxBitrateBps }) => sum + maxBitrateBps, 0);
    seconds += one.durationSeconds;
    workSeconds += (one.durationSeconds * pixelRate) / PIXEL_RATE_1080P30 / assumed.realTimes1080p;
    outputBytes +=
      (one.durationSeconds * (ceilings * assumed.shareOfCeiling + one.audioTracks * SOUND_BPS)) / 8;
    writes += (rungs.length + one.audioTracks) * Math.ceil(one.durationSeconds / assumed.segmentSeconds);
  }
  const { dollars, vCpus, memoryGib, transcoders } = assumed;
  const storedBytes = sourceBytes + outputBytes;
  return {
    items: sources.length,
    hours: seconds / HOUR_SECONDS,
    unknownLengths: sources.length - known.length,
    ...{ sourceBytes, storedBytes, workSeconds },
    // More transcoders than items at once have nothing to do.
    elapsedSeconds: workSeconds / Math.max(1, Math.min(transcoders, parallel)),
    dollarsOnce:
      workSeconds * (vCpus * dollars.vCpuSecond + memoryGib * dollars.gibSecond) +
      (writes * dollars.millionWrites) / 1e6,
    dollarsPerMonth: (storedBytes / GB) * dollars.storedGbMonth,
  };
}

export function estimateRows(estimate: Estimate, assumed: Assumptions): string[] {
  const { items, hours, unknownLengths, sourceBytes, storedBytes } = estimate;
  const { dollars } = assumed;
  return [
    `  to convert       ${items} items, ${hours.toFixed(2)} hours of video, ${gigabytes(sourceBytes)}`,
    ...(unknownLengths > 0
      ? [`                   of ${unknownLengths} the length is not known and not counted`]
      : []),
    `  estimated time   ${durationText(estimate.elapsedSeconds)}`,
    `  estimated cost   $${estimate.dollarsOnce.toFixed(2)} once for conversion, $${estimate.dollarsPerMonth.toFixed(2)} a month for ${gigabytes(storedBytes)} in R2 (a copy of each source included)`,
    '  assumed          ' +
      `${assumed.transcoders} transcoder(s) with ${assumed.vCpus} vCPU and ${assumed.memoryGib} GiB, ${assumed.realTimes1080p}x real time for a 1080p30 ladder;`,
    '                   ' +
      `renditions at ${assumed.shareOfCeiling * 100} % of their ceilings; $${dollars.vCpuSecond} per vCPU second, $${dollars.gibSecond} per GiB second,`,
    `                   $${dollars.storedGbMonth} per GB and month, $${dollars.millionWrites} per million writes (list prices; look them up before you rely on them)`,
  ];
}

export function gigabytes(bytes: number): string {
  return bytes >= GB / 10 ? `${(bytes / GB).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
