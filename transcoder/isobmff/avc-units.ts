// The units of a copied H.264 picture: what of it goes on, and whether it is what the index says it is.
import { malformed } from './boxes.ts';

/** ITU-T H.264 table 7-1. */
const NAL = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8 };
/** SEI payload that writers fill as they like: encoder settings, camera data, places (H.264 §D.1.7). */
const USER_DATA_UNREGISTERED = 5;

export type AvcRecord = {
  /** Bytes of the length before each unit. */
  lengthBytes: number;
  parameterSets: Uint8Array[];
};

/** @param avcC body of the avcC box (ISO/IEC 14496-15 §5.3.3.1) */
export function readAvcRecord(avcC: Uint8Array): AvcRecord {
  const parameterSets: Uint8Array[] = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    const count = (avcC[at++] ?? 0) & mask;
    for (let index = 0; index < count; index++) {
      const length = ((avcC[at] ?? 0) << 8) | (avcC[at + 1] ?? 0);
      at += 2;
      if (at + length > avcC.length) throw malformed('The parameter sets of the source are cut short.');
      parameterSets.push(avcC.subarray(at, at + length));
      at += length;
    }
  }
  return { lengthBytes: ((avcC[4] ?? 0) & 3) + 1, parameterSets };
}

/**
 * The pieces of a picture that are copied, lengths included: all but what writers add for themselves and
 * parameter sets that the header has.
 *
 * @throws AppError verification_failed where its units do not fill it, it brings parameter sets of its own, or it
 * is told to be a key picture and is none.
 */
export function copiedUnits(picture: Uint8Array, isKey: boolean, record: AvcRecord): Uint8Array[] {
  const kept: Uint8Array[] = [];
  const { lengthBytes } = record;
  let keptFrom = 0;
  let firstSlice: number | undefined;
  for (let at = 0; at < picture.length; ) {
    const start = at;
    let length = 0;
    for (let byte = 0; byte < lengthBytes; byte++) length = length * 256 + (picture[at++] ?? 0);
    const end = at + length;
    if (end > picture.length) throw malformed('The units of a picture of the source do not fill it.');
    const type = (picture[at] ?? 0) & 0x1f;
    if (length > 0 && (type === NAL.slice || type === NAL.idr)) firstSlice ??= type;
    if (length === 0 || isLeftOut(picture.subarray(at, end), type, record)) {
      if (start > keptFrom) kept.push(picture.subarray(keptFrom, start));
      keptFrom = end;
    }
    at = end;
  }
  if (keptFrom < picture.length) kept.push(picture.subarray(keptFrom));
  if (isKey && firstSlice !== NAL.idr) {
    throw malformed('A key picture of the source is not one that decoding can begin at.');
  }
  return kept;
}

function isLeftOut(unit: Uint8Array, type: number, { parameterSets }: AvcRecord): boolean {
  if (type === NAL.sei) return hasUserData(unit);
  if (type !== NAL.sps && type !== NAL.pps) return false;
  if (parameterSets.some((set) => Buffer.compare(set, unit) === 0)) return true;
  throw malformed('The source changes its parameter sets on the way.');
}

/** Walks the messages of an SEI unit (H.264 §7.3.2.3.1); their sizes count bytes before emulation prevention. */
function hasUserData(unit: Uint8Array): boolean {
  let at = 1;
  const number = () => {
    let value = 0;
    while (unit[at] === 0xff) {
      value += 255;
      at++;
    }
    return value + (unit[at++] ?? 0);
  };
  // The last byte is the stop bit.
  while (at < unit.length - 1) {
    const type = number();
    if (type === USER_DATA_UNREGISTERED) return true;
    let left = number();
    let zeros = 0;
    while (left > 0 && at < unit.length) {
      const byte = unit[at++]!;
      if (zeros >= 2 && byte === 3) {
        zeros = 0;
        continue;
      }
      zeros = byte === 0 ? zeros + 1 : 0;
      left--;
    }
  }
  return false;
}
