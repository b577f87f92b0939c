// What stands between the segments that are made and the objects that are stored, where a generation is protected.
// Facts are taken of clear bytes; sizes and hashes of what is stored.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type ContentKey, keyNumberOf, type PlannedProtection } from '../shared/protection.ts';
import { readAvcRecord } from './isobmff/avc-units.ts';
import { malformed } from './isobmff/boxes.ts';
import { decryptInit, encryptInit, IV_BYTES } from './isobmff/cenc-init.ts';
import type { PictureLayout } from './isobmff/cenc-samples.ts';
import { decryptSegment, encryptSegment } from './isobmff/cenc-segment.ts';
import { avcConfigurationOf } from './isobmff/codecs.ts';
import { readParameterSets } from './isobmff/h264-slice-header.ts';
import type { TaskContext } from './task-context.ts';

/** Opening gives back what was sealed, byte for byte; it throws AppError verification_failed for other bytes. */
export type Encryption = {
  sealInit(stem: string, init: Uint8Array): Uint8Array;
  openInit(stored: Uint8Array): Uint8Array;
  /** The track's init segment has been sealed before. */
  sealSegment(stem: string, index: number, segment: Uint8Array): Promise<Uint8Array>;
  openSegment(index: number, stored: Uint8Array): Promise<Uint8Array>;
};

/** Undefined where everything is stored as it is. */
export function encryptionOf(
  context: Pick<TaskContext, 'contentKey'>,
  protection: PlannedProtection | undefined,
): Encryption | undefined {
  if (!protection) return undefined;
  const keyOf = (index: number) => context.contentKey(keyNumberOf(protection, index));
  return protection.scheme === 'cenc' ? commonEncryption(protection.keyId, keyOf) : wholeSegments(keyOf);
}

type KeyOf = (index: number) => Promise<ContentKey>;

/**
 * AES-128-CBC of whole segments. A vector is used again where a segment is made twice, or by another track: with
 * other bytes that shows no more than whether they begin alike, as all segments do.
 */
function wholeSegments(keyOf: KeyOf): Encryption {
  const algorithm = 'aes-128-cbc';
  return {
    sealInit: (_, init) => init,
    openInit: (stored) => stored,
    async sealSegment(_, index, segment) {
      const cipher = createCipheriv(algorithm, (await keyOf(index)).key, sequenceVector(index));
      return Buffer.concat([cipher.update(segment), cipher.final()]);
    },
    async openSegment(index, stored) {
      const decipher = createDecipheriv(algorithm, (await keyOf(index)).key, sequenceVector(index));
      try {
        return Buffer.concat([decipher.update(stored), decipher.final()]);
      } catch (cause) {
        throw malformed(`Segment ${index} cannot be decrypted: ${(cause as Error).message}.`);
      }
    },
  };
}

/** RFC 8216 §5.2: the sequence number, big-endian. */
function sequenceVector(index: number): Uint8Array {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(index, 12);
  return iv;
}

function commonEncryption(keyId: string, keyOf: KeyOf): Encryption {
  const layouts = new Map<string, PictureLayout | undefined>();
  const keyFor = async (index: number) => {
    const issued = await keyOf(index);
    if (issued.keyId !== keyId) throw malformed('The key of this job is not the one that was planned.');
    return issued.key;
  };
  return {
    sealInit(stem, init) {
      layouts.set(stem, layoutOf(init));
      return encryptInit(init, keyId);
    },
    openInit(stored) {
      const opened = decryptInit(stored);
      if (opened.keyId !== keyId) throw malformed('An init segment names another key than the planned one.');
      return opened.init;
    },
    async sealSegment(stem, index, segment) {
      if (!layouts.has(stem)) throw malformed(`A segment of ${stem} came before its init segment.`);
      return encryptSegment(segment, await keyFor(index), layouts.get(stem), randomBytes(IV_BYTES));
    },
    openSegment: async (index, stored) => decryptSegment(stored, await keyFor(index)),
  };
}

/** Undefined for sound, of which every byte is encrypted. */
function layoutOf(init: Uint8Array): PictureLayout | undefined {
  const avcC = avcConfigurationOf(init);
  if (!avcC) return undefined;
  const { lengthBytes, parameterSets } = readAvcRecord(avcC);
  return { lengthBytes, parameterSets: readParameterSets(parameterSets) };
}
