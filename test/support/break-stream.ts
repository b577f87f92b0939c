// Tools to break a stream with: its texts, and single fields of its boxes.
import { findBox, readFullBox, requireBox, viewOf } from '../../transcoder/isobmff/boxes.ts';
import type { StreamFile, StreamFiles } from './stream-server.ts';

export function fileOf(files: StreamFiles, name: string): StreamFile {
  const file = files.get(name);
  if (!file) throw new Error(`the stream has no ${name}`);
  return file;
}

export function copyOf(files: StreamFiles): StreamFiles {
  // A Buffer's own slice() would share the bytes.
  return new Map([...files].map(([name, file]) => [name, { ...file, bytes: new Uint8Array(file.bytes) }]));
}

/** @throws where the change changes nothing: a fault that is none proves nothing */
export function edit(files: StreamFiles, name: string, change: (text: string) => string): void {
  const file = fileOf(files, name);
  const text = Buffer.from(file.bytes).toString('utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`the fault does not change ${name}`);
  file.bytes = Buffer.from(changed);
}

export function setBytes(files: StreamFiles, name: string, change: (bytes: Uint8Array) => Uint8Array): void {
  const file = fileOf(files, name);
  file.bytes = change(file.bytes);
}

export function swap(files: StreamFiles, one: string, other: string): void {
  const [first, second] = [fileOf(files, one), fileOf(files, other)];
  files.set(one, second);
  files.set(other, first);
}

/** Changes the 32-bit field `offset` bytes into the body of the first box at `path`. */
export function setField(
  bytes: Uint8Array,
  path: string,
  offset: number,
  change: (value: number) => number,
): Uint8Array {
  const at = requireBox(bytes, path).bodyStart + offset;
  const view = viewOf(bytes);
  view.setUint32(at, change(view.getUint32(at)) >>> 0);
  return bytes;
}

/** Moves the decode time of a segment's first fragment. */
export function moveTime(bytes: Uint8Array, byTicks: number): Uint8Array {
  const tfdt = requireBox(bytes, 'moof/traf/tfdt');
  const { version } = readFullBox(bytes, tfdt);
  return setField(bytes, 'moof/traf/tfdt', version === 1 ? 8 : 4, (ticks) => ticks + byTicks);
}

const NON_SYNC = 0x0101_0000;
const SYNC = 0x0200_0000;

/** Marks the first sample of the first fragment as no key frame, and the others as key frames where asked to. */
export function moveKeyFlag(bytes: Uint8Array, { areOthersKeys }: { areOthersKeys: boolean }): Uint8Array {
  const { at, flagsAt, firstFlagsAt } = runLayout(bytes);
  const view = viewOf(bytes);
  const first = firstFlagsAt ?? (flagsAt === undefined ? undefined : at + flagsAt);
  if (first === undefined) throw new Error('the run says nothing of its first sample');
  view.setUint32(first, NON_SYNC);
  if (!areOthersKeys) return bytes;
  const tfhd = requireBox(bytes, 'moof/traf/tfhd');
  // The default flags are the last of its fields.
  if (!(readFullBox(bytes, tfhd).flags & 0x20)) throw new Error('the fragment has no default flags');
  view.setUint32(tfhd.end - 4, SYNC);
  return bytes;
}

/** The first fragment's run says one sample less than there is. */
export function dropLastSample(bytes: Uint8Array): Uint8Array {
  return setField(bytes, 'moof/traf/trun', 4, (count) => count - 1);
}

/** Shows sample `index` when the one before it is shown. */
export function showTwiceAtOnce(bytes: Uint8Array): Uint8Array {
  const { at, entryBytes, compositionAt, durationTicks } = runLayout(bytes);
  if (compositionAt === undefined) throw new Error('the run has no composition times');
  const view = viewOf(bytes);
  const first = view.getInt32(at + compositionAt);
  view.setInt32(at + entryBytes + compositionAt, first - durationTicks);
  return bytes;
}

/** Where a run's samples are, and fields within each (ISO/IEC 14496-12 §8.8.8). */
function runLayout(bytes: Uint8Array) {
  const trun = requireBox(bytes, 'moof/traf/trun');
  const { flags, reader } = readFullBox(bytes, trun);
  reader.skip(4);
  if (flags & 1) reader.skip(4);
  const firstFlagsAt = flags & 4 ? reader.position : undefined;
  if (flags & 4) reader.skip(4);
  let entryBytes = 0;
  const field = (bit: number) => {
    if (!(flags & bit)) return undefined;
    entryBytes += 4;
    return entryBytes - 4;
  };
  const durationAt = field(0x100);
  field(0x200);
  const flagsAt = field(0x400);
  const compositionAt = field(0x800);
  const at = reader.position;
  return {
    at,
    entryBytes,
    flagsAt,
    firstFlagsAt,
    compositionAt,
    durationTicks: durationOf(bytes, at, durationAt),
  };
}

function durationOf(bytes: Uint8Array, at: number, durationAt: number | undefined): number {
  if (durationAt !== undefined) return viewOf(bytes).getUint32(at + durationAt);
  const { flags, reader } = readFullBox(bytes, requireBox(bytes, 'moof/traf/tfhd'));
  reader.skip(4 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0));
  return reader.u32();
}

/** The same init segment with its edit written twice. */
export function doubleEdit(init: Uint8Array): Uint8Array {
  const elst = requireBox(init, 'moov/trak/edts/elst');
  const entry = init.slice(elst.end - 12, elst.end);
  const grown = Buffer.concat([init.subarray(0, elst.end), entry, init.subarray(elst.end)]);
  const view = viewOf(grown);
  view.setUint32(elst.bodyStart + 4, view.getUint32(elst.bodyStart + 4) + 1);
  for (const path of ['moov', 'moov/trak', 'moov/trak/edts', 'moov/trak/edts/elst']) {
    const { start } = findBox(init, path)!;
    view.setUint32(start, view.getUint32(start) + entry.length);
  }
  return grown;
}
