// Reads JPEGs that ffmpeg writes one after another into one file, each once it is whole.
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Writer } from './isobmff/growing-file.ts';

const POLL_MS = 40;
const READ_BYTES = 64 * 1024;

export class GrowingTiles implements AsyncDisposable {
  readonly #path: string;
  readonly #writer: Writer;
  #handle: FileHandle | undefined;
  #offset = 0;
  #unread: Uint8Array = new Uint8Array(0);

  constructor(path: string, writer: Writer) {
    this.#path = path;
    this.#writer = writer;
  }

  /** The next `count` pictures as one piece; undefined where ffmpeg ended before it wrote them all. */
  async next(count: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const sizeBytes = sizeOfJpegs(this.#unread, count);
      if (sizeBytes !== undefined) {
        const pictures = Uint8Array.from(this.#unread.subarray(0, sizeBytes));
        this.#unread = this.#unread.subarray(sizeBytes);
        return pictures;
      }
      // Asked before the file is read: what was written before the end is then surely seen.
      const { hasEnded, signal } = this.#writer;
      signal?.throwIfAborted();
      if (await this.#readOn()) continue;
      if (hasEnded) return undefined;
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #readOn(): Promise<boolean> {
    try {
      this.#handle ??= await open(this.#path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // not created yet
      throw error;
    }
    const bytes = new Uint8Array(READ_BYTES);
    const { bytesRead } = await this.#handle.read(bytes, 0, bytes.length, this.#offset);
    this.#offset += bytesRead;
    this.#unread = Buffer.concat([this.#unread, bytes.subarray(0, bytesRead)]);
    return bytesRead > 0;
  }
}

/** How many whole JPEGs the bytes are; undefined where they are anything else. */
export function countJpegs(bytes: Uint8Array): number | undefined {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const sizeBytes = sizeOfJpegs(bytes.subarray(at), 1);
    if (sizeBytes === undefined) return undefined;
    at += sizeBytes;
  }
  return count;
}

/** Bytes of the first `count` pictures, undefined where they are not all there. */
function sizeOfJpegs(bytes: Uint8Array, count: number): number | undefined {
  let at = 0;
  for (let index = 0; index < count; index++) {
    const end = endOfJpeg(bytes, at);
    if (end === undefined) return undefined;
    at = end;
  }
  return at;
}

const MARKER = 0xff;
const START_OF_IMAGE = 0xd8;
const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/** Segments (ISO/IEC 10918-1 annex B) are stepped over by their length, so that none is taken for the end. */
function endOfJpeg(bytes: Uint8Array, start: number): number | undefined {
  if (bytes[start] !== MARKER || bytes[start + 1] !== START_OF_IMAGE) return undefined;
  for (let at = start + 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== MARKER) return undefined;
    const marker = bytes[at + 1];
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (marker === START_OF_SCAN) return endOfScan(bytes, at);
  }
  return undefined;
}

/** Entropy-coded data holds no marker but restarts; a 0xff of its own is followed by 0. */
function endOfScan(bytes: Uint8Array, start: number): number | undefined {
  for (let at = bytes.indexOf(MARKER, start); at !== -1; at = bytes.indexOf(MARKER, at + 1)) {
    if (bytes[at + 1] === END_OF_IMAGE) return at + 2;
  }
  return undefined;
}
