// Packed audio (RFC 8216 §3.4): an ID3 tag with the time of the first sample, then AAC in ADTS frames.
import { createHash } from 'node:crypto';
import { malformed } from '../isobmff/boxes.ts';
import { readAdts } from './adts.ts';
import { factsOf, type SegmentFacts } from './segment-facts.ts';
import { TS_TIMESCALE } from './ts-segment.ts';

const TIMESTAMP_OWNER = 'com.apple.streaming.transportStreamTimestamp\0';
const ID3_HEADER_BYTES = 10;

export function looksLikePackedAudio(bytes: Uint8Array): boolean {
  const isTagged = bytes[0] === 0x49 && bytes[1] === 0x44 && bytes[2] === 0x33;
  return isTagged || (bytes[0] === 0xff && (bytes[1]! & 0xf6) === 0xf0);
}

/** @throws AppError verification_failed where it is not AAC in ADTS frames. */
export function readPackedAudio(bytes: Uint8Array): SegmentFacts {
  const isTagged = bytes[0] === 0x49;
  const tagBytes = isTagged ? ID3_HEADER_BYTES + syncSafe(bytes, 6) : 0;
  const tag = Buffer.from(bytes.subarray(0, tagBytes));
  const owner = tag.indexOf(TIMESTAMP_OWNER, 0, 'latin1');
  const adts = readAdts(bytes.subarray(tagBytes));
  if (!adts) throw malformed('The segment is not made of whole AAC frames.');
  const timeAt = owner + TIMESTAMP_OWNER.length;
  const hasTime = owner >= 0 && timeAt + 8 <= tag.length;
  const start = hasTime ? Number(tag.readBigUInt64BE(timeAt)) : 0;
  const frameTicks = (adts.frameSamples * TS_TIMESCALE) / adts.sampleRate;
  const info = {
    ...{ id: 0, kind: 'audio' as const, timescale: TS_TIMESCALE, isEncrypted: false },
    ...{ codecs: `mp4a.40.${adts.objectType}`, channels: adts.channels },
    edit: { pauseSeconds: 0, hiddenTicks: 0 },
    defaults: { durationTicks: undefined, sizeBytes: undefined, flags: undefined },
  };
  const samples = Array.from({ length: adts.frames }, (_, frame) => {
    const ticks = start + frame * frameTicks;
    return { decodeTicks: ticks, shownTicks: ticks, durationTicks: frameTicks, isKey: true };
  });
  const problem = 'The segment does not say when its first sample is played.';
  return {
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    tracks: [{ ...factsOf(info, samples, undefined), keyTicks: [] }],
    checked: [],
    problems: hasTime ? [] : [{ check: 'segment-readable', problem }],
    info: [info],
    notChecked: [],
  };
}

/** 28 bits in four bytes. */
function syncSafe(bytes: Uint8Array, at: number): number {
  return bytes.subarray(at, at + 4).reduce((value, byte) => value * 128 + (byte & 0x7f), 0);
}
