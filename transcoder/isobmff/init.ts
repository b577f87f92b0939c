// Init segments (ftyp + moov of one track): what they say, and the changes made to them.
import { createHash } from 'node:crypto';
import type { InitFacts } from '../../shared/messages.ts';
import {
  type Box,
  childrenOf,
  findBox,
  malformed,
  readFullBox,
  requireBox,
  words,
  writeBox,
} from './boxes.ts';
import { codecsOf } from './codecs.ts';

/** @throws AppError verification_failed where the bytes are no init segment of one AVC or AAC track. */
export function initFacts(init: Uint8Array): InitFacts {
  return {
    sizeBytes: init.length,
    sha256: createHash('sha256').update(init).digest('hex'),
    codecs: codecsOf(init),
    timescale: trackTimescale(init),
  };
}

export function trackTimescale(init: Uint8Array): number {
  return timescaleOf(init, requireBox(init, 'moov/trak/mdia/mdhd'));
}

/** How a track's decode times map to presentation: it starts after a pause, its first ticks are not shown. */
export type EditList = { pauseSeconds: number; hiddenTicks: number };

/** @throws AppError verification_failed for edits other than an optional pause followed by the whole track. */
export function readEditList(init: Uint8Array, trak: Box = requireBox(init, 'moov/trak')): EditList {
  const elst = findBox(init, 'edts/elst', trak);
  if (!elst) return { pauseSeconds: 0, hiddenTicks: 0 };
  const { version, reader } = readFullBox(init, elst);
  const count = reader.u32();
  const edits = Array.from({ length: Math.min(count, 3) }, () => {
    const duration = version === 1 ? reader.u64() : reader.u32();
    const mediaTime = version === 1 ? reader.i64() : reader.i32();
    reader.skip(4); // media rate
    return { duration, mediaTime };
  });
  const pause = edits[0]?.mediaTime === -1 ? edits.shift() : undefined;
  const [shown] = edits;
  if (!shown || edits.length !== 1 || shown.mediaTime < 0)
    throw malformed('The edit list is not a single edit.');
  const movieTimescale = timescaleOf(init, requireBox(init, 'moov/mvhd'));
  return { pauseSeconds: (pause?.duration ?? 0) / movieTimescale, hiddenTicks: shown.mediaTime };
}

/**
 * The same init segment with exactly one edit: from `hiddenTicks` to the open end. It is the form of edit list
 * that Media3, Shaka and Safari all honour in a fragmented file.
 */
export function withSingleEdit(init: Uint8Array, hiddenTicks: number): Uint8Array {
  const elst = writeBox('elst', words(0, 1, 0, hiddenTicks, 0x10000));
  const edts = writeBox('edts', elst);
  const moov = requireBox(init, 'moov');
  const trak = requireBox(init, 'moov/trak');
  const parts = childrenOf(init, trak).filter((box) => box.type !== 'edts');
  const tkhd = parts.findIndex((box) => box.type === 'tkhd');
  const newTrak = writeBox(
    'trak',
    ...parts.slice(0, tkhd + 1).map((box) => bytesOf(init, box)),
    edts,
    ...parts.slice(tkhd + 1).map((box) => bytesOf(init, box)),
  );
  const newMoov = writeBox(
    'moov',
    ...childrenOf(init, moov).map((box) => (box.start === trak.start ? newTrak : bytesOf(init, box))),
  );
  return Buffer.concat([init.subarray(0, moov.start), newMoov, init.subarray(moov.end)]);
}

const IDENTITY_MATRIX = words(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

/** The same init segment for pictures that are shown as they are: ffmpeg copies the source's matrix into it. */
export function withUprightMatrix(init: Uint8Array): Uint8Array {
  const tkhd = requireBox(init, 'moov/trak/tkhd');
  const matrixAt = tkhd.bodyStart + (init[tkhd.bodyStart] === 1 ? 52 : 40);
  if (matrixAt + IDENTITY_MATRIX.length > tkhd.end) throw malformed('The track header ends too early.');
  const upright = init.slice();
  upright.set(IDENTITY_MATRIX, matrixAt);
  return upright;
}

/** Of an mvhd or mdhd. */
export function timescaleOf(init: Uint8Array, header: Box): number {
  const { version, reader } = readFullBox(init, header);
  reader.skip(version === 1 ? 16 : 8); // creation and modification time
  const timescale = reader.u32();
  if (timescale === 0) throw malformed('A timescale of 0 measures nothing.');
  return timescale;
}

function bytesOf(bytes: Uint8Array, box: Box): Uint8Array {
  return bytes.subarray(box.start, box.end);
}
