// How long the header of an H.264 slice is (ITU-T H.264 §7.3.3), so that encryption can leave it in the clear:
// hardware decoders read it outside of what is protected.
import { BitReader, skipScalingLists, withoutEmulation } from '../../shared/probe/bit-reader.ts';
import { malformed } from './boxes.ts';

/** Of the sequence parameter set, what slice headers depend on. */
type Sequence = {
  /** 0 where there are no chroma planes, or they are coded as pictures of their own. */
  chromaArrayType: number;
  hasSeparatePlanes: boolean;
  frameNumberBits: number;
  orderType: number;
  orderBits: number;
  isDeltaAlwaysZero: boolean;
  isFrameOnly: boolean;
};

/** The same of a picture parameter set. */
type Picture = {
  isArithmetic: boolean;
  hasOrderDelta: boolean;
  activeReferences: [number, number];
  isWeighted: boolean;
  weightedBi: number;
  hasDeblocking: boolean;
  hasRedundantCount: boolean;
};

/** By the ids that slices name. */
export type ParameterSets = { sequence: Sequence; pictures: ReadonlyMap<number, Picture> };

const NAL = { idr: 5, sps: 7, pps: 8 };
const SLICE = { p: 0, b: 1, i: 2, sp: 3, si: 4 };
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Longer than any header: the lists of references end at 32 entries. */
const MAX_HEADER_BYTES = 2048;

/** @param units parameter sets of one stream, each with its NAL unit header */
export function readParameterSets(units: readonly Uint8Array[]): ParameterSets {
  const bitsOf = (type: number) =>
    units
      .filter((unit) => (unit[0]! & 0x1f) === type)
      .map((unit) => new BitReader(withoutEmulation(unit.subarray(1))));
  const [sps, ...others] = bitsOf(NAL.sps);
  if (!sps || others.length > 0) throw malformed('The stream does not have one sequence parameter set.');
  const sequence = readable(() => readSequence(sps));
  return { sequence, pictures: new Map(bitsOf(NAL.pps).map((pps) => readable(() => readPicture(pps)))) };
}

/** Bytes of a slice's NAL unit up to the end of its header, with emulation prevention counted. */
export function sliceHeaderBytes(unit: Uint8Array, sets: ParameterSets): number {
  const bits = new BitReader(withoutEmulation(unit.subarray(1, 1 + MAX_HEADER_BYTES)));
  readable(() => skipSliceHeader(bits, unit[0]!, sets));
  return 1 + escapedLength(unit.subarray(1), Math.ceil(bits.position / 8));
}

function readSequence(bits: BitReader): Sequence {
  const profile = bits.read(8);
  bits.read(16); // constraint flags, level
  bits.golomb(); // id
  let chroma = 1;
  let hasSeparatePlanes = false;
  if (HIGH_PROFILES.has(profile)) {
    chroma = bits.golomb();
    if (chroma === 3) hasSeparatePlanes = bits.flag();
    bits.golomb(); // bit depths
    bits.golomb();
    bits.flag(); // lossless
    if (bits.flag()) skipScalingLists(bits, chroma === 3 ? 12 : 8);
  }
  const frameNumberBits = bits.golomb() + 4;
  const orderType = bits.golomb();
  let orderBits = 0;
  let isDeltaAlwaysZero = false;
  if (orderType === 0) orderBits = bits.golomb() + 4;
  if (orderType === 1) {
    isDeltaAlwaysZero = bits.flag();
    bits.golomb(); // offsets, signed but of the same length
    bits.golomb();
    const cycle = bits.golomb();
    for (let index = 0; index < cycle; index++) bits.golomb();
  }
  bits.golomb(); // reference frames
  bits.flag(); // gaps
  bits.golomb(); // width and height
  bits.golomb();
  const isFrameOnly = bits.flag();
  const chromaArrayType = hasSeparatePlanes ? 0 : chroma;
  return {
    ...{ chromaArrayType, hasSeparatePlanes, frameNumberBits },
    ...{ orderType, orderBits, isDeltaAlwaysZero, isFrameOnly },
  };
}

function readPicture(bits: BitReader): [number, Picture] {
  const id = bits.golomb();
  bits.golomb(); // sequence parameter set
  const isArithmetic = bits.flag();
  const hasOrderDelta = bits.flag();
  if (bits.golomb() > 0) throw new RangeError('slice groups');
  const activeReferences: [number, number] = [bits.golomb() + 1, bits.golomb() + 1];
  const isWeighted = bits.flag();
  const weightedBi = bits.read(2);
  for (let index = 0; index < 3; index++) bits.golomb(); // quantiser: signed, but of the same length
  const hasDeblocking = bits.flag();
  bits.flag(); // constrained intra prediction
  const hasRedundantCount = bits.flag();
  return [
    id,
    {
      ...{ isArithmetic, hasOrderDelta, activeReferences, isWeighted, weightedBi },
      ...{ hasDeblocking, hasRedundantCount },
    },
  ];
}

function skipSliceHeader(bits: BitReader, nalHeader: number, { sequence, pictures }: ParameterSets): void {
  const isIdr = (nalHeader & 0x1f) === NAL.idr;
  const isReference = (nalHeader & 0x60) !== 0;
  bits.golomb(); // first macroblock
  const slice = bits.golomb() % 5;
  const picture = pictures.get(bits.golomb());
  if (!picture) throw new RangeError('its picture parameter set is missing');
  if (sequence.hasSeparatePlanes) bits.read(2);
  bits.read(sequence.frameNumberBits);
  let isField = false;
  if (!sequence.isFrameOnly) {
    isField = bits.flag();
    if (isField) bits.flag(); // bottom
  }
  if (isIdr) bits.golomb(); // its id
  skipOrder(bits, sequence, picture.hasOrderDelta && !isField);
  if (picture.hasRedundantCount) bits.golomb();
  if (slice === SLICE.b) bits.flag(); // direct prediction
  const lists = slice === SLICE.b ? 2 : slice === SLICE.p || slice === SLICE.sp ? 1 : 0;
  const references = activeReferences(bits, picture, lists);
  for (let list = 0; list < lists; list++) skipListChanges(bits);
  const isWeighted = lists === 2 ? picture.weightedBi === 1 : lists === 1 && picture.isWeighted;
  if (isWeighted) skipWeights(bits, references.slice(0, lists), sequence.chromaArrayType !== 0);
  if (isReference) skipMarking(bits, isIdr);
  if (picture.isArithmetic && lists > 0) bits.golomb(); // initial state
  bits.golomb(); // quantiser
  if (slice === SLICE.sp) bits.flag();
  if (slice === SLICE.sp || slice === SLICE.si) bits.golomb();
  if (picture.hasDeblocking && bits.golomb() !== 1) {
    bits.golomb(); // offsets, signed but of the same length
    bits.golomb();
  }
}

function skipOrder(bits: BitReader, sequence: Sequence, hasDelta: boolean): void {
  if (sequence.orderType === 0) {
    bits.read(sequence.orderBits);
    if (hasDelta) bits.golomb();
  }
  if (sequence.orderType === 1 && !sequence.isDeltaAlwaysZero) {
    bits.golomb();
    if (hasDelta) bits.golomb();
  }
}

function activeReferences(bits: BitReader, picture: Picture, lists: number): number[] {
  if (lists === 0 || !bits.flag()) return picture.activeReferences;
  return Array.from({ length: lists }, () => {
    const count = bits.golomb() + 1;
    if (count > 32) throw new RangeError('too many references');
    return count;
  });
}

function skipListChanges(bits: BitReader): void {
  if (!bits.flag()) return;
  while (bits.golomb() !== 3) bits.golomb();
}

function skipWeights(bits: BitReader, references: number[], hasChroma: boolean): void {
  bits.golomb(); // denominators
  if (hasChroma) bits.golomb();
  for (const count of references) {
    for (let index = 0; index < count; index++) {
      for (const numbers of hasChroma ? [2, 4] : [2]) {
        if (bits.flag()) for (let number = 0; number < numbers; number++) bits.golomb();
      }
    }
  }
}

function skipMarking(bits: BitReader, isIdr: boolean): void {
  if (isIdr) {
    bits.read(2);
    return;
  }
  if (!bits.flag()) return;
  for (let operation = bits.golomb(); operation !== 0; operation = bits.golomb()) {
    if (operation !== 5) bits.golomb();
    if (operation === 3) bits.golomb();
  }
}

/** Bytes as they lie in the unit that hold the first `count` bytes of its payload. */
function escapedLength(escaped: Uint8Array, count: number): number {
  let at = 0;
  for (let read = 0; read < count; at++) {
    const isPrevention = escaped[at] === 3 && at >= 2 && escaped[at - 1] === 0 && escaped[at - 2] === 0;
    if (!isPrevention) read++;
  }
  return at;
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw malformed(`The header of a picture cannot be read: ${error.message}.`);
  }
}
