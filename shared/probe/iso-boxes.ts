// Reads the index (`moov`) of an ISO or QuickTime file with bounded work, before any library sees it: every
// table must fit its box, every sample must lie inside the file, and nothing may point outside it.
import { AppError } from '../errors.ts';
import { MIB } from '../limits.ts';
import type { ByteSource } from './byte-source.ts';
import { type SampleTables, samplesEnd } from './iso-samples.ts';

export type IsoTrack = {
  id: number;
  /** Handler type: `vide`, `soun`, `text`, … */
  handler: string;
  sampleEntries: IsoBox[];
  hasOutsideData: boolean;
  tables: SampleTables;
  /** Bodies of the boxes below `trak` that have no reader here, the last of each type. */
  boxes: Map<string, DataView>;
};

export type IsoBox = { type: string; body: DataView };

export type IsoIndex = {
  isFragmented: boolean;
  tracks: IsoTrack[];
  /** Bodies of the boxes below `moov` that belong to no track. */
  boxes: IsoBox[];
  /** Where `moov` ends; fragments come after it. */
  endOffset: number;
};

const MAX_TOP_LEVEL_BOXES = 10_000;
const MAX_INDEX_BYTES = 512 * MIB;
const MAX_INDEX_BOXES = 50_000;
const CONTAINERS = new Set(['trak', 'mdia', 'minf', 'dinf', 'stbl', 'edts', 'tref', 'mvex']);
/** trak > mdia > minf > stbl is as deep as anything we read lies. */
const MAX_DEPTH = 6;
const ENCRYPTED_ENTRIES = new Set(['encv', 'enca', 'drmi', 'drms']);

/**
 * The index of the file whose boxes are read from `startOffset` on.
 *
 * @throws AppError media_malformed, media_truncated, media_encrypted or media_external_reference.
 */
export async function inspectIso(source: ByteSource, startOffset = 0): Promise<IsoIndex> {
  const { moov, endOffset } = await readIndex(source, startOffset);
  const index = { ...parseIndex(moov, source.sizeBytes), endOffset };
  if (index.tracks.length === 0) throw malformed('Its index (moov) describes no track.');
  for (const track of index.tracks.filter(({ handler }) => handler === 'vide' || handler === 'soun')) {
    if (track.hasOutsideData) {
      throw new AppError('media_external_reference', {
        detail: 'The file keeps its pictures or sound in another file, which is never opened.',
      });
    }
    if (track.sampleEntries.some(({ type }) => ENCRYPTED_ENTRIES.has(type))) {
      throw new AppError('media_encrypted', {
        detail: 'The file is encrypted (DRM); upload the unprotected original.',
      });
    }
  }
  return index;
}

async function readIndex(
  source: ByteSource,
  startOffset: number,
): Promise<{ moov: Uint8Array; endOffset: number }> {
  for await (const box of topLevelBoxes(source, startOffset)) {
    if (box.type !== 'moov') continue;
    if (box.size > MAX_INDEX_BYTES) throw malformed('Its index (moov) is absurdly large.');
    const moov = await source.read(box.offset + box.headerSize, box.size - box.headerSize);
    return { moov, endOffset: box.offset + box.size };
  }
  throw malformed('It has no index (moov); the recording was probably interrupted.');
}

/** The file's own boxes from `start` on. */
export async function* topLevelBoxes(
  source: ByteSource,
  start: number,
): AsyncGenerator<Box & { offset: number }> {
  let offset = start;
  for (let count = 0; offset + 8 <= source.sizeBytes; count++) {
    if (count >= MAX_TOP_LEVEL_BOXES) throw malformed('It holds thousands of boxes and no index (moov).');
    const head = await source.read(offset, Math.min(16, source.sizeBytes - offset));
    const box = boxAt(view(head), 0, head.length, source.sizeBytes - offset);
    if (!box) throw malformed('One of its boxes has an impossible size.');
    if (offset + box.size > source.sizeBytes) {
      throw new AppError('media_truncated', {
        detail: `The file ends in the middle of its "${printable(box.type)}" box; the upload or the recording was cut short.`,
      });
    }
    yield { ...box, offset };
    offset += box.size;
  }
}

export type Box = { type: string; headerSize: number; size: number };

/** The box header at `offset`; undefined where the size is impossible. `remaining` bounds a size of zero. */
export function boxAt(data: DataView, offset: number, end: number, remaining: number): Box | undefined {
  if (offset + 8 > end) return undefined;
  const short = data.getUint32(offset);
  const type = fourCc(data, offset + 4);
  if (short === 0) return { type, headerSize: 8, size: remaining };
  if (short !== 1) return short < 8 ? undefined : { type, headerSize: 8, size: short };
  if (offset + 16 > end) return undefined;
  const size = Number(data.getBigUint64(offset + 8));
  return size < 16 ? undefined : { type, headerSize: 16, size };
}

function parseIndex(moov: Uint8Array, fileSizeBytes: number): Omit<IsoIndex, 'endOffset'> {
  const data = view(moov);
  const index: Omit<IsoIndex, 'endOffset'> = { isFragmented: false, tracks: [], boxes: [] };
  let track: IsoTrack | undefined;
  let boxes = 0;

  const walk = (start: number, end: number, parent: string, depth: number) => {
    let offset = start;
    while (offset + 8 <= end) {
      if (++boxes > MAX_INDEX_BOXES) throw malformed('Its index (moov) holds too many boxes.');
      const box = boxAt(data, offset, end, end - offset);
      // QuickTime ends some lists with four zero bytes, which are no box.
      if (!box) return;
      if (offset + box.size > end)
        throw malformed('A box of its index (moov) is larger than the one around it.');
      const body = new DataView(
        data.buffer,
        data.byteOffset + offset + box.headerSize,
        box.size - box.headerSize,
      );
      if (box.type === 'mvex') index.isFragmented = true;
      if (box.type === 'trak') {
        track = {
          id: 0,
          handler: '',
          sampleEntries: [],
          hasOutsideData: false,
          tables: {},
          boxes: new Map(),
        };
        index.tracks.push(track);
      }
      if (track) readTrackBox(track, box.type, parent, body);
      else index.boxes.push({ type: box.type, body });
      if (CONTAINERS.has(box.type) && depth < MAX_DEPTH) {
        walk(offset + box.headerSize, offset + box.size, box.type, depth + 1);
      }
      if (box.type === 'trak' && track) {
        refuseMissingSamples(track, fileSizeBytes);
        track = undefined;
      }
      offset += box.size;
    }
  };
  try {
    walk(0, moov.length, 'moov', 0);
  } catch (error) {
    // DataView refuses every read past a box's end.
    if (error instanceof RangeError) throw malformed('A table of its index (moov) is cut short.');
    throw error;
  }
  return index;
}

function readTrackBox(track: IsoTrack, type: string, parent: string, body: DataView): void {
  if (type === 'tkhd') track.id = body.getUint32(body.getUint8(0) === 1 ? 20 : 12);
  // QuickTime has a second `hdlr` inside `minf`, naming the data handler.
  if (type === 'hdlr' && parent === 'mdia') track.handler = fourCc(body, 8);
  if (type === 'dref') track.hasOutsideData = entries(body).some(({ flags }) => (flags & 1) === 0);
  if (type === 'stsd') track.sampleEntries = entries(body);
  if (type === 'stsz') track.tables.sizes = body;
  if (type === 'stsc') track.tables.chunkRuns = body;
  if (type === 'stco') track.tables.chunkOffsets = { table: body, entryBytes: 4 };
  if (type === 'co64') track.tables.chunkOffsets = { table: body, entryBytes: 8 };
  if (
    TABLE_ENTRY_BYTES[type] !== undefined &&
    8 + body.getUint32(4) * TABLE_ENTRY_BYTES[type] > body.byteLength
  ) {
    throw malformed(`Its "${type}" table promises more entries than it holds.`);
  }
  // `hdlr` and `tkhd` have been read; sample tables are of use only when they are whole, which they now are.
  if (!CONTAINERS.has(type)) track.boxes.set(type, body);
}

/** Tables of the form version, flags, count, entries. */
const TABLE_ENTRY_BYTES: Record<string, number> = { stts: 8, ctts: 8, stss: 4, stsc: 12, stco: 4, co64: 8 };

const MAX_ENTRIES = 64;

/** Entries of `stsd` and `dref`: boxes after a count. */
function entries(body: DataView): (IsoBox & { flags: number })[] {
  const found: (IsoBox & { flags: number })[] = [];
  let offset = 8;
  const count = Math.min(body.getUint32(4), MAX_ENTRIES);
  while (found.length < count && offset + 8 <= body.byteLength) {
    const size = body.getUint32(offset);
    if (size < 8) break;
    const flags = offset + 12 <= body.byteLength ? body.getUint32(offset + 8) & 0xffffff : 0;
    const end = Math.min(offset + size, body.byteLength);
    const entry = new DataView(body.buffer, body.byteOffset + offset + 8, end - offset - 8);
    found.push({ type: fourCc(body, offset + 4), body: entry, flags });
    offset += size;
  }
  return found;
}

function refuseMissingSamples(track: IsoTrack, fileSizeBytes: number): void {
  if (track.handler !== 'vide' && track.handler !== 'soun') return;
  const { chunkRuns, chunkOffsets } = track.tables;
  const runCount = chunkRuns?.getUint32(4) ?? 0;
  if (chunkOffsets && runCount > 0) {
    const lastFirstChunk = chunkRuns!.getUint32(8 + 12 * (runCount - 1));
    if (lastFirstChunk > chunkOffsets.table.getUint32(4))
      throw malformed('Its "stsc" table speaks of chunks that it does not have.');
  }
  const end = samplesEnd(track.tables, track.handler);
  if (end > fileSizeBytes) {
    throw new AppError('media_truncated', {
      detail: `The file has ${fileSizeBytes} bytes but its index speaks of ${end}; the upload or the recording was cut short.`,
    });
  }
}

export function fourCc(data: DataView, offset: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => data.getUint8(offset + index)));
}

function printable(type: string): string {
  return /^[\x20-\x7e]{4}$/.test(type) ? type : '????';
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function malformed(what: string): AppError {
  return new AppError('media_malformed', { detail: `The file is damaged. ${what}` });
}
