// Reads a fragmented MP4 that ffmpeg is still writing: the init segment, then each fragment once all its bytes
// are in the file. Only moof boxes are held in memory; sample data stays in the file until its segment is built.
import { type FileHandle, open } from 'node:fs/promises';
import { FileGrowth } from '../file-growth.ts';
import {
  BOX_HEADER_BYTES,
  type BoxHeader,
  LARGE_BOX_HEADER_BYTES,
  malformed,
  readBoxHeader,
} from './boxes.ts';
import { type FragmentFacts, readFragment } from './fragment.ts';

/** A complete fragment; its media data lies at `mdatOffset` of the file, header included. */
export type Fragment = { moof: Uint8Array; mdatOffset: number; mdatSizeBytes: number; facts: FragmentFacts };

/** Told by whoever started ffmpeg. After it has ended the file no longer grows. */
export type Writer = {
  hasEnded: boolean;
  /** Settles once `hasEnded` is true; without it the end is seen a little later. */
  ended?: Promise<unknown>;
  signal?: AbortSignal | undefined;
};

/** Wait between looks at a file whose writes nobody tells of: short after growth, longer while nothing comes. */
const POLL_MIN_MS = 40;
const POLL_MAX_MS = 120;
/** Init segments and moofs are kilobytes; more is not ours. */
const MAX_METADATA_BYTES = 64 * 1024 * 1024;

export class GrowingFile implements AsyncDisposable {
  readonly #path: string;
  readonly #writer: Writer;
  #handle: FileHandle | undefined;
  #offset = 0;
  #init: Uint8Array | undefined;
  readonly #growth = new FileGrowth();

  constructor(path: string, writer: Writer) {
    this.#path = path;
    this.#writer = writer;
    const tell = () => this.#growth.tell();
    writer.signal?.addEventListener('abort', tell, { once: true });
    writer.ended?.then(tell, tell);
  }

  /** ftyp and moov, once written; undefined where ffmpeg ended before it wrote them. */
  async init(): Promise<Uint8Array | undefined> {
    if (this.#init) return this.#init;
    const start = this.#offset;
    let offset = start;
    for (;;) {
      const header = await this.#boxAt(offset);
      if (!header) return undefined;
      offset += header.sizeBytes;
      if (header.type === 'moov') break;
      if (header.type === 'moof' || header.type === 'mdat')
        throw malformed('A fragment precedes the init segment.');
    }
    this.#init = await this.#read(start, metadataSize(offset - start));
    this.#offset = offset;
    return this.#init;
  }

  /** Fragments in file order until ffmpeg has ended. A last one that was cut off is left out. */
  async *fragments(): AsyncGenerator<Fragment, void, void> {
    if (!(await this.init())) return;
    for (;;) {
      const header = await this.#boxAt(this.#offset);
      if (!header) return;
      const offset = this.#offset;
      if (header.type !== 'moof') {
        this.#offset += header.sizeBytes; // styp, sidx, free
        continue;
      }
      const mdatOffset = offset + header.sizeBytes;
      const mdat = await this.#boxAt(mdatOffset);
      if (!mdat) return;
      if (mdat.type !== 'mdat') throw malformed('A fragment is not followed by its media data.');
      this.#offset = mdatOffset + mdat.sizeBytes;
      const moof = await this.#read(offset, metadataSize(header.sizeBytes));
      yield { moof, mdatOffset, mdatSizeBytes: mdat.sizeBytes, facts: readFragment(moof) };
    }
  }

  /** Reads file bytes that are known to be there straight into `target`. */
  async readInto(target: Uint8Array, fileOffset: number): Promise<void> {
    const handle = this.#handle;
    if (!handle) throw malformed('The file was read before it was opened.');
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await handle.read(target, done, target.length - done, fileOffset + done);
      if (bytesRead === 0) throw malformed('The file ended inside a fragment.');
      done += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#growth[Symbol.dispose]();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** The header at `offset` once the whole box is in the file. */
  async #boxAt(offset: number): Promise<BoxHeader | undefined> {
    const available = await this.#grownTo(offset + BOX_HEADER_BYTES);
    if (available === undefined) return undefined;
    const head = await this.#read(offset, Math.min(LARGE_BOX_HEADER_BYTES, available - offset));
    const header = readBoxHeader(head, 0);
    if (!header)
      return (await this.#grownTo(offset + LARGE_BOX_HEADER_BYTES)) ? this.#boxAt(offset) : undefined;
    return (await this.#grownTo(offset + header.sizeBytes)) ? header : undefined;
  }

  /** Waits until the file has `sizeBytes`; its size then, or undefined where the writer ended before. */
  async #grownTo(sizeBytes: number): Promise<number | undefined> {
    for (let pause = POLL_MIN_MS; ; pause = Math.min(POLL_MAX_MS, pause * 1.5)) {
      // Asked before the size is read: what was written before the end is then surely seen.
      const { hasEnded, signal } = this.#writer;
      signal?.throwIfAborted();
      this.#growth.lookNow();
      const current = await this.#size();
      if (current >= sizeBytes) return current;
      if (hasEnded) return undefined;
      await this.#growth.wait(pause);
    }
  }

  async #size(): Promise<number> {
    try {
      this.#handle ??= await open(this.#path, 'r');
      this.#growth.listen(this.#path);
    } catch (error) {
      if (isMissing(error)) return 0; // ffmpeg has not created it yet
      throw error;
    }
    return (await this.#handle.stat()).size;
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, offset);
    return bytes;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function metadataSize(sizeBytes: number): number {
  if (sizeBytes > MAX_METADATA_BYTES)
    throw malformed(`Metadata of ${sizeBytes} bytes is more than we ever write.`);
  return sizeBytes;
}
