// What a player must know of a track before its first segment, read from the init segment that we wrote.
import { avcCodecString } from './codec-string.ts';
import { AppError } from './errors.ts';
import { type IsoBox, inspectIso } from './probe/iso-boxes.ts';
import { childrenOf, readDescriptors } from './probe/iso-streams.ts';

export type InitSegment = {
  /** RFC 6381. */
  codecs: string;
  timescale: number;
  /** Decode time of the instant shown at time 0. */
  hiddenTicks: number;
  /** Samples of one AAC frame; undefined for video. */
  frameTicks?: number;
};

/** Fixed fields before the child boxes of a sample entry (ISO/IEC 14496-12 §12.1.3 and §12.2.3). */
const VISUAL_FIELD_BYTES = 78;
const SOUND_FIELD_BYTES = 28;

/** @throws AppError verification_failed for bytes that are no init segment of ours. */
export async function readInitSegment(init: Uint8Array): Promise<InitSegment> {
  const source = { sizeBytes: init.length, read: async (at: number, n: number) => init.subarray(at, at + n) };
  const [track] = (await inspectIso(source)).tracks;
  const entry = track?.sampleEntries[0];
  const mdhd = track?.boxes.get('mdhd');
  if (!entry || !mdhd) throw notOurs('it describes no track');
  const elst = track.boxes.get('elst');
  return {
    ...codecOf(entry),
    timescale: mdhd.getUint32(mdhd.getUint8(0) === 1 ? 20 : 12),
    hiddenTicks: elst ? shownFrom(elst) : 0,
  };
}

function codecOf(entry: IsoBox): Pick<InitSegment, 'codecs' | 'frameTicks'> {
  if (entry.type === 'avc1') {
    const avcC = childrenOf(entry.body, VISUAL_FIELD_BYTES).get('avcC');
    if (!avcC || avcC.byteLength < 4) throw notOurs('its pictures have no avcC');
    return { codecs: avcCodecString(new Uint8Array(avcC.buffer, avcC.byteOffset, avcC.byteLength)) };
  }
  const config = readDescriptors(childrenOf(entry.body, SOUND_FIELD_BYTES).get('esds'))?.configuration;
  if (entry.type !== 'mp4a' || !config || config.length < 2) throw notOurs(`${entry.type} is none of ours`);
  // 5 bits object type, 4 bits frequency index, 4 bits channels, then frameLengthFlag (ISO/IEC 14496-3).
  return { codecs: `mp4a.40.${config[0]! >> 3}`, frameTicks: config[1]! & 0x04 ? 960 : 1024 };
}

/** Media time of the edit that shows the track; one before it may be a pause. */
function shownFrom(elst: DataView): number {
  const isLong = elst.getUint8(0) === 1;
  const times = Array.from({ length: elst.getUint32(4) }, (_, index) =>
    isLong ? Number(elst.getBigInt64(16 + 20 * index)) : elst.getInt32(12 + 12 * index),
  );
  return times.find((time) => time >= 0) ?? 0;
}

function notOurs(what: string): AppError {
  return new AppError('verification_failed', { detail: `An init segment is damaged: ${what}.` });
}
