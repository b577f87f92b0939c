// Which events of a session are counted. At-least-once delivery becomes exactly-once counting by one bit per event;
// a run of counted events is one number, so an orderly session costs a byte.

import { fromHex, toHex } from './sign.ts';

/** Bits kept above the base: a player sends one event in ten seconds, so nearly six hours may be out of order. */
const WINDOW = 2048;

export type SeenSeqs = {
  /** A multiple of 8. Whatever lies below is counted, or too late. */
  baseSeq: number;
  /** Highest counted; -1 before the first. */
  lastSeq: number;
  /** Hex; bit i of byte j stands for `baseSeq + 8j + i`. */
  seenBits: string;
};

export const NOTHING_SEEN: SeenSeqs = { baseSeq: 0, lastSeq: -1, seenBits: '' };

/** @returns those of `seqs` that are new, in their order, and what is seen with them. */
export function noteSeqs(seen: SeenSeqs, seqs: readonly number[]): { fresh: boolean[]; seen: SeenSeqs } {
  const bits = new Uint8Array(WINDOW / 8);
  bits.set(fromHex(seen.seenBits));
  let { baseSeq, lastSeq } = seen;
  const slide = (byteCount: number) => {
    bits.copyWithin(0, byteCount);
    bits.fill(0, Math.max(0, bits.length - byteCount));
    baseSeq += 8 * byteCount;
  };
  const fresh = seqs.map((seq) => {
    if (seq < baseSeq) return false;
    if (seq >= baseSeq + WINDOW) slide(Math.ceil((seq - baseSeq - WINDOW + 1) / 8));
    const index = (seq - baseSeq) >> 3;
    const mask = 1 << ((seq - baseSeq) & 7);
    if ((bits[index]! & mask) !== 0) return false;
    bits[index]! |= mask;
    lastSeq = Math.max(lastSeq, seq);
    return true;
  });
  const whole = bits.findIndex((byte) => byte !== 0xff);
  slide(whole === -1 ? bits.length : whole);
  return { fresh, seen: { baseSeq, lastSeq, seenBits: bitsToHex(bits) } };
}

/** Hex without the zeros at its end. */
export function bitsToHex(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return toHex(bytes.subarray(0, end));
}
