// One movie fragment: what its moof says about the samples in the mdat behind it (ISO/IEC 14496-12 §8.8).
import { type Box, childrenOf, findBox, malformed, readFullBox, requireBox, viewOf } from './boxes.ts';

export type Sample = {
  sizeBytes: number;
  durationTicks: number;
  /** Presentation minus decode time. */
  compositionTicks: number;
  isSync: boolean;
};

export type FragmentFacts = {
  sequenceNumber: number;
  /** Decode time of the first sample, ticks of the track's timescale. */
  baseTicks: number;
  durationTicks: number;
  samples: Sample[];
  /** From the start of the moof to the first sample. */
  dataOffset: number;
};

/** Sample flags: bit 16 says "not a sync sample". */
const NON_SYNC_FLAG = 0x10000;
const MAX_SAMPLES_PER_FRAGMENT = 1_000_000;

const TFHD = {
  baseDataOffset: 0x1,
  descriptionIndex: 0x2,
  duration: 0x8,
  size: 0x10,
  flags: 0x20,
  moofBase: 0x20000,
};
const TRUN = {
  dataOffset: 0x1,
  firstFlags: 0x4,
  duration: 0x100,
  size: 0x200,
  flags: 0x400,
  composition: 0x800,
};

/**
 * Reads a moof with one track and one run whose data offset counts from the moof, the only form we store.
 *
 * @param moof The moof box alone.
 * @throws AppError verification_failed for any other form.
 */
export function readFragment(moof: Uint8Array): FragmentFacts {
  const trafs = childrenOf(moof, requireBox(moof, 'moof')).filter((box) => box.type === 'traf');
  const traf = trafs[0];
  if (!traf || trafs.length !== 1) throw malformed('A fragment must hold exactly one track.');
  const runs = childrenOf(moof, traf).filter((box) => box.type === 'trun');
  const run = runs[0];
  if (!run || runs.length !== 1) throw malformed('A fragment must hold exactly one run of samples.');

  const header = readTrackHeader(moof, traf);
  if (header.baseOffset !== undefined || !header.isMoofBased) {
    throw malformed("A fragment's offsets do not count from its moof.");
  }
  const { dataOffset, samples } = readRun(moof, run, header.defaults);
  if (dataOffset === undefined) throw malformed('A run does not say where its samples are.');
  return {
    sequenceNumber: readFullBox(moof, requireBox(moof, 'moof/mfhd')).reader.u32(),
    baseTicks: readBaseTicks(moof, traf),
    durationTicks: samples.reduce((sum, sample) => sum + sample.durationTicks, 0),
    samples,
    dataOffset,
  };
}

/** Numbers the fragment in place. Its size and offsets do not change. */
export function setSequenceNumber(moof: Uint8Array, sequenceNumber: number): void {
  const mfhd = findBox(moof, 'moof/mfhd');
  if (!mfhd || mfhd.end - mfhd.bodyStart < 8) throw malformed('A fragment has no sequence number.');
  viewOf(moof).setUint32(mfhd.bodyStart + 4, sequenceNumber);
}

/** What stands for fields that a run leaves out. */
export type SampleDefaults = {
  durationTicks: number | undefined;
  sizeBytes: number | undefined;
  flags: number | undefined;
};

export type TrackHeader = {
  trackId: number;
  /** From the start of the file, where the fragment gives one. */
  baseOffset: number | undefined;
  isMoofBased: boolean;
  defaults: SampleDefaults;
};

/** The tfhd of a traf. */
export function readTrackHeader(moof: Uint8Array, traf: Box): TrackHeader {
  const { flags, reader } = readFullBox(moof, requireBox(moof, 'tfhd', traf));
  const trackId = reader.u32();
  const baseOffset = flags & TFHD.baseDataOffset ? reader.u64() : undefined;
  if (flags & TFHD.descriptionIndex) reader.skip(4);
  return {
    trackId,
    baseOffset,
    isMoofBased: (flags & TFHD.moofBase) !== 0,
    defaults: {
      durationTicks: flags & TFHD.duration ? reader.u32() : undefined,
      sizeBytes: flags & TFHD.size ? reader.u32() : undefined,
      flags: flags & TFHD.flags ? reader.u32() : undefined,
    },
  };
}

/** Decode time of a traf's first sample. */
export function readBaseTicks(moof: Uint8Array, traf: Box): number {
  const { version, reader } = readFullBox(moof, requireBox(moof, 'tfdt', traf));
  return version === 1 ? reader.u64() : reader.u32();
}

/** A trun's samples, and where they are where it says so. */
export function readRun(
  moof: Uint8Array,
  trun: Box,
  defaults: SampleDefaults,
): { dataOffset: number | undefined; samples: Sample[] } {
  const { version, flags, reader } = readFullBox(moof, trun);
  const count = reader.u32();
  if (count < 1 || count > MAX_SAMPLES_PER_FRAGMENT) throw malformed(`A fragment claims ${count} samples.`);
  const dataOffset = flags & TRUN.dataOffset ? reader.i32() : undefined;
  const firstFlags = flags & TRUN.firstFlags ? reader.u32() : undefined;

  const samples: Sample[] = [];
  for (let index = 0; index < count; index++) {
    const durationTicks = flags & TRUN.duration ? reader.u32() : defaults.durationTicks;
    const sizeBytes = flags & TRUN.size ? reader.u32() : defaults.sizeBytes;
    const own = flags & TRUN.flags ? reader.u32() : defaults.flags;
    const sampleFlags = index === 0 ? (firstFlags ?? own) : own;
    const compositionTicks = flags & TRUN.composition ? (version === 0 ? reader.u32() : reader.i32()) : 0;
    if (durationTicks === undefined || sizeBytes === undefined || sampleFlags === undefined) {
      throw malformed('A sample has no duration, size or flags of its own or of its fragment.');
    }
    samples.push({ sizeBytes, durationTicks, compositionTicks, isSync: !(sampleFlags & NON_SYNC_FLAG) });
  }
  return { dataOffset, samples };
}
