// The init segment of a track under Common Encryption (ISO/IEC 23001-7 §8): its sample entry renamed and wrapped,
// and the key's id for players that find no manifest.
import {
  asciiBytes,
  type Box,
  boxesIn,
  childrenOf,
  malformed,
  readFullBox,
  requireBox,
  words,
  writeBox,
} from './boxes.ts';
import { AUDIO_ENTRY_BYTES, STSD_HEADER_BYTES, VISUAL_ENTRY_BYTES } from './codecs.ts';

/** Bytes of each sample's own part of the initialisation vector; the block counter takes the other eight. */
export const IV_BYTES = 8;

/** What an entry of a clear track becomes, and the fixed fields before its child boxes. */
const ENTRIES: Record<string, { encrypted: string; fixedBytes: number }> = {
  avc1: { encrypted: 'encv', fixedBytes: VISUAL_ENTRY_BYTES },
  mp4a: { encrypted: 'enca', fixedBytes: AUDIO_ENTRY_BYTES },
};
const SCHEME_VERSION = 0x10000;
/** The system that all players with ClearKey know. https://www.w3.org/TR/eme-initdata-cenc/#common-system */
const COMMON_SYSTEM = Buffer.from('1077efecc0b24d02ace33c1e52e2fb4b', 'hex');

/** @param keyId 32 hex digits */
export function encryptInit(init: Uint8Array, keyId: string): Uint8Array {
  const entry = sampleEntry(init);
  const renamed = ENTRIES[entry.type];
  if (!renamed) throw malformed(`A ${entry.type} sample entry cannot be encrypted.`);
  const id = Buffer.from(keyId, 'hex');
  const tenc = writeBox('tenc', words(0), Uint8Array.of(0, 0, 1, IV_BYTES), id);
  const sinf = writeBox(
    'sinf',
    writeBox('frma', asciiBytes(entry.type)),
    writeBox('schm', words(0), asciiBytes('cenc'), words(SCHEME_VERSION)),
    writeBox('schi', tenc),
  );
  const body = init.subarray(entry.bodyStart, entry.end);
  // Version 1 lists key ids and needs no data of a vendor's.
  const pssh = writeBox('pssh', words(0x01000000), COMMON_SYSTEM, words(1), id, words(0));
  return withEntry(init, writeBox(renamed.encrypted, body, sinf), (moov) => [...moov, pssh]);
}

/** The init segment as it was before {@link encryptInit}, byte for byte, and the key's id. */
export function decryptInit(stored: Uint8Array): { init: Uint8Array; keyId: string } {
  const entry = sampleEntry(stored);
  const [type, fixed] =
    Object.entries(ENTRIES).find(([, { encrypted }]) => encrypted === entry.type) ??
    fail('The init segment describes no encrypted track.');
  const boxes = boxesIn(stored, entry.bodyStart + fixed.fixedBytes, entry.end);
  const sinf = boxes.find((box) => box.type === 'sinf') ?? fail('The sample entry says nothing of its key.');
  const { reader } = readFullBox(stored, requireBox(stored, 'schi/tenc', sinf));
  reader.skip(2); // pattern, of other schemes
  if (reader.u8() !== 1 || reader.u8() !== IV_BYTES)
    throw malformed('The track is encrypted in another way.');
  const keyId = Buffer.from(stored.subarray(reader.position, reader.position + 16)).toString('hex');
  const clear = writeBox(
    type,
    stored.subarray(entry.bodyStart, sinf.start),
    stored.subarray(sinf.end, entry.end),
  );
  const isSystemBox = (bytes: Uint8Array) => Buffer.from(bytes.subarray(4, 8)).toString('latin1') === 'pssh';
  return { init: withEntry(stored, clear, (moov) => moov.filter((box) => !isSystemBox(box))), keyId };
}

/** The same file with another sample entry, and other boxes in its moov. */
function withEntry(
  init: Uint8Array,
  entry: Uint8Array,
  change: (moovParts: Uint8Array[]) => Uint8Array[],
): Uint8Array {
  const path = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd'];
  const rebuild = (box: Box, depth: number): Uint8Array => {
    if (depth === path.length) {
      return writeBox('stsd', init.subarray(box.bodyStart, box.bodyStart + STSD_HEADER_BYTES), entry);
    }
    const parts = childrenOf(init, box).map((child) =>
      child.type === path[depth] ? rebuild(child, depth + 1) : init.subarray(child.start, child.end),
    );
    return writeBox(box.type, ...(depth === 1 ? change(parts) : parts));
  };
  const moov = requireBox(init, 'moov');
  return Buffer.concat([init.subarray(0, moov.start), rebuild(moov, 1), init.subarray(moov.end)]);
}

function sampleEntry(init: Uint8Array): Box {
  const stsd = requireBox(init, 'moov/trak/mdia/minf/stbl/stsd');
  const [entry, ...others] = boxesIn(init, stsd.bodyStart + STSD_HEADER_BYTES, stsd.end);
  if (!entry || others.length > 0) throw malformed('The track does not have one sample entry.');
  return entry;
}

function fail(detail: string): never {
  throw malformed(detail);
}
