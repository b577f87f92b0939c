// Chance that can be had again: the same seed gives the same numbers and the same bytes.
import { createCipheriv, createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { randomOf } from '../test/support/random.ts';

export type Chance = {
  /** 0 to 1, 1 excluded. */
  next(): number;
  /** A whole number of the range, both ends included. */
  between(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
};

export function chanceOf(seed: number): Chance {
  const next = randomOf(seed);
  return {
    next,
    between: (least, most) => Math.floor(least + next() * (most - least + 1)),
    pick: (items) => items[Math.floor(next() * items.length)]!,
  };
}

const CHUNK_BYTES = 1024 * 1024;

/** Bytes that sniff as an MP4 and are otherwise noise. @returns their SHA-256 in hex */
export async function writeNoiseFile(path: string, label: string, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  await using file = await open(path, 'w');
  for (const chunk of noiseChunks(label, sizeBytes)) {
    hash.update(chunk);
    await file.write(chunk);
  }
  return hash.digest('hex');
}

export function noise(label: string, sizeBytes: number): { bytes: Buffer<ArrayBuffer>; sha256: string } {
  const bytes = Buffer.concat([...noiseChunks(label, sizeBytes)]);
  const hash: Hash = createHash('sha256').update(bytes);
  return { bytes, sha256: hash.digest('hex') };
}

function* noiseChunks(label: string, sizeBytes: number): Generator<Buffer> {
  const head = mp4Head(sizeBytes);
  yield head;
  const key = createHash('sha256').update(label).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  for (let left = sizeBytes - head.length; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(Buffer.alloc(Math.min(left, CHUNK_BYTES)));
  }
}

/** `ftyp`, then the header of an `mdat` that fills the rest (ISO/IEC 14496-12, 4.2 and 4.3). */
function mp4Head(sizeBytes: number): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32BE(24, 0);
  head.write('ftypisom', 4, 'latin1');
  head.writeUInt32BE(0x200, 12);
  head.write('isommp42', 16, 'latin1');
  head.writeUInt32BE(sizeBytes - 24, 24);
  head.write('mdat', 28, 'latin1');
  return head;
}
