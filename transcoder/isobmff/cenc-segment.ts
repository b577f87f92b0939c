// Media segments under Common Encryption, scheme `cenc` (ISO/IEC 23001-7 §10.1): AES-128 in counter mode, sample by
// sample. What is needed to decrypt a fragment is in its own moof (senc), pointed at by saiz and saio.
//
// A key must never meet the same counter block twice. Each segment draws 64 random bits for the vector of its first
// sample and counts up from there; the low 64 bits count the blocks of one sample. So even two encodings of one
// segment, of which only one is ever stored, share no keystream. That two segments of a key overlap by chance is as
// likely as (segments² x samples of one) / 2^64: about one in a billion for a film of 10,000 segments.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import {
  type Box,
  boxesIn,
  childrenOf,
  malformed,
  readFullBox,
  requireBox,
  viewOf,
  words,
  writeBox,
} from './boxes.ts';
import { IV_BYTES } from './cenc-init.ts';
import { type PictureLayout, type Subsample, subsamplesOf } from './cenc-samples.ts';
import { readFragment } from './fragment.ts';

/** A sample's vector, and what of it is encrypted; absent where all of it is. */
type SampleSecret = { iv: Uint8Array; subsamples?: Subsample[] };

const CIPHER = 'aes-128-ctr';
const WITH_SUBSAMPLES = 2;
/** Of senc: version, flags and sample count. */
const SENC_HEADER_BYTES = 8;
/** An entry of saiz has eight bits. */
const MAX_SECRET_BYTES = 255;
const ENCRYPTION_BOXES = new Set(['saiz', 'saio', 'senc']);

/**
 * @param layout of pictures; absent for sound
 * @param firstIv 8 random bytes, never used with this key before
 */
export function encryptSegment(
  segment: Uint8Array,
  key: Uint8Array,
  layout: PictureLayout | undefined,
  firstIv: Uint8Array,
): Uint8Array {
  let nextIv = viewOf(firstIv).getBigUint64(0);
  return mapFragments(segment, (moof, mdat) => {
    const { samples, dataOffset } = readFragment(moof);
    const secrets: SampleSecret[] = [];
    const data = new Uint8Array(mdat);
    let at = 0;
    for (const { sizeBytes } of samples) {
      const iv = new Uint8Array(IV_BYTES);
      viewOf(iv).setBigUint64(0, nextIv);
      nextIv = BigInt.asUintN(64, nextIv + 1n);
      const sample = data.subarray(at, at + sizeBytes);
      const secret = { iv, ...(layout && { subsamples: subsamplesOf(sample, layout) }) };
      applyCipher(sample, secret, key, createCipheriv);
      secrets.push(secret);
      at += sizeBytes;
    }
    return { moof: withSecrets(moof, secrets, dataOffset), mdat: data };
  });
}

/** The segment as it was before {@link encryptSegment}, byte for byte. */
export function decryptSegment(segment: Uint8Array, key: Uint8Array): Uint8Array {
  return mapFragments(segment, (moof, mdat) => {
    const { samples, dataOffset } = readFragment(moof);
    const secrets = readSecrets(moof);
    if (secrets.length !== samples.length)
      throw malformed('A fragment does not say how all its samples are encrypted.');
    const data = new Uint8Array(mdat);
    let at = 0;
    for (const [index, { sizeBytes }] of samples.entries()) {
      applyCipher(data.subarray(at, at + sizeBytes), secrets[index]!, key, createDecipheriv);
      at += sizeBytes;
    }
    return { moof: rebuilt(moof, dataOffset, []), mdat: data };
  });
}

/** The vector and the encrypted bytes of each sample, as a moof says. */
export function readSecrets(moof: Uint8Array): SampleSecret[] {
  const senc = requireBox(moof, 'moof/traf/senc');
  const { flags, reader } = readFullBox(moof, senc);
  const count = reader.u32();
  return Array.from({ length: count }, () => {
    const ivAt = reader.position;
    reader.skip(IV_BYTES);
    const iv = moof.subarray(ivAt, ivAt + IV_BYTES);
    if (!(flags & WITH_SUBSAMPLES)) return { iv };
    const subsamples = Array.from({ length: reader.u16() }, () => ({
      clearBytes: reader.u16(),
      protectedBytes: reader.u32(),
    }));
    return { iv, subsamples };
  });
}

/** In place. The keystream runs on over the clear bytes of a sample. */
function applyCipher(
  sample: Uint8Array,
  { iv, subsamples = [{ clearBytes: 0, protectedBytes: sample.length }] }: SampleSecret,
  key: Uint8Array,
  create: typeof createCipheriv | typeof createDecipheriv,
): void {
  const counter = new Uint8Array(16);
  counter.set(iv);
  const cipher = create(CIPHER, key, counter);
  let at = 0;
  for (const { clearBytes, protectedBytes } of subsamples) {
    at += clearBytes;
    if (at + protectedBytes > sample.length)
      throw malformed('A sample is shorter than what is encrypted of it.');
    if (protectedBytes > 0) sample.set(cipher.update(sample.subarray(at, at + protectedBytes)), at);
    at += protectedBytes;
  }
  if (at !== sample.length) throw malformed('A sample is longer than what is said of its encryption.');
}

function mapFragments(
  segment: Uint8Array,
  change: (moof: Uint8Array, mdat: Uint8Array) => { moof: Uint8Array; mdat: Uint8Array },
): Uint8Array {
  const boxes = boxesIn(segment);
  const parts: Uint8Array[] = [];
  for (let index = 0; index < boxes.length; index++) {
    const box = boxes[index]!;
    if (box.type !== 'moof') {
      parts.push(segment.subarray(box.start, box.end));
      continue;
    }
    const mdat = boxes[++index];
    if (mdat?.type !== 'mdat') throw malformed('A fragment is not followed by its media data.');
    const changed = change(segment.subarray(box.start, box.end), segment.subarray(mdat.bodyStart, mdat.end));
    parts.push(changed.moof, segment.subarray(mdat.start, mdat.bodyStart), changed.mdat);
  }
  return Buffer.concat(parts);
}

function withSecrets(moof: Uint8Array, secrets: readonly SampleSecret[], dataOffset: number): Uint8Array {
  const entries = secrets.map(secretBytes);
  const senc = writeBox(
    'senc',
    words(secrets.some(({ subsamples }) => subsamples) ? WITH_SUBSAMPLES : 0, secrets.length),
    ...entries,
  );
  const first = entries[0]!.length;
  const isEven = entries.every(({ length }) => length === first);
  const sizes = entries.map(({ length }) => {
    if (length > MAX_SECRET_BYTES) throw malformed('A picture has more slices than can be described.');
    return length;
  });
  const saiz = writeBox(
    'saiz',
    words(0),
    Uint8Array.of(isEven ? first : 0),
    words(entries.length),
    ...(isEven ? [] : [Uint8Array.from(sizes)]),
  );
  // Its value, the place of the first vector counted from the moof, does not change its size.
  const saio = writeBox('saio', words(0, 1, 0));
  const bytes = rebuilt(moof, dataOffset, [saiz, saio, senc]);
  const boxAt = (type: string): Box => requireBox(bytes, `moof/traf/${type}`);
  viewOf(bytes).setUint32(boxAt('saio').bodyStart + 8, boxAt('senc').bodyStart + SENC_HEADER_BYTES);
  return bytes;
}

function secretBytes({ iv, subsamples }: SampleSecret): Uint8Array {
  if (!subsamples) return iv;
  const bytes = new Uint8Array(IV_BYTES + 2 + 6 * subsamples.length);
  const view = viewOf(bytes);
  bytes.set(iv);
  view.setUint16(IV_BYTES, subsamples.length);
  for (const [index, { clearBytes, protectedBytes }] of subsamples.entries()) {
    view.setUint16(IV_BYTES + 2 + 6 * index, clearBytes);
    view.setUint32(IV_BYTES + 4 + 6 * index, protectedBytes);
  }
  return bytes;
}

/** The moof with these encryption boxes and no others; its samples are found where they then lie. */
function rebuilt(moof: Uint8Array, dataOffset: number, encryption: readonly Uint8Array[]): Uint8Array {
  const parts = childrenOf(moof, requireBox(moof, 'moof')).map((child) => {
    if (child.type !== 'traf') return moof.subarray(child.start, child.end);
    const kept = childrenOf(moof, child).filter(({ type }) => !ENCRYPTION_BOXES.has(type));
    return writeBox('traf', ...kept.map(({ start, end }) => moof.subarray(start, end)), ...encryption);
  });
  const bytes = writeBox('moof', ...parts);
  // readFragment has seen that there is one run and that it has a data offset.
  const run = requireBox(bytes, 'moof/traf/trun');
  viewOf(bytes).setInt32(run.bodyStart + 8, dataOffset + bytes.length - moof.length);
  return bytes;
}
