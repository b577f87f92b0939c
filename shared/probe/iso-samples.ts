// Where the samples of a track lie, from its `stsz`, `stsc` and `stco`/`co64` tables.

export type SampleTables = {
  sizes?: DataView;
  chunkRuns?: DataView;
  chunkOffsets?: { table: DataView; entryBytes: 4 | 8 };
};

/** The byte after the last byte of any sample; 0 for a track without samples. A RangeError means broken tables. */
export function samplesEnd({ sizes, chunkRuns, chunkOffsets }: SampleTables, handler: string): number {
  if (!sizes || !chunkRuns || !chunkOffsets) return 0;
  const fixedSize = sizes.getUint32(4);
  const sampleCount = sizes.getUint32(8);
  const chunkCount = chunkOffsets.table.getUint32(4);
  const runCount = chunkRuns.getUint32(4);
  // Sound in QuickTime counts "samples" that are not bytes; then only where chunks begin is certain.
  const hasByteSizes = fixedSize === 0 || handler === 'vide';

  let end = 0;
  let sample = 0;
  let run = 0;
  for (let chunk = 0; chunk < chunkCount && sample < sampleCount; chunk++) {
    while (run + 1 < runCount && chunkRuns.getUint32(8 + 12 * (run + 1)) <= chunk + 1) run++;
    const perChunk = chunkRuns.getUint32(8 + 12 * run + 4);
    const inChunk = Math.min(perChunk, sampleCount - sample);
    let length = hasByteSizes ? fixedSize * inChunk : 1;
    if (fixedSize === 0) {
      length = 0;
      for (let index = 0; index < inChunk; index++) length += sizes.getUint32(12 + 4 * (sample + index));
    }
    sample += inChunk;
    end = Math.max(end, chunkOffset(chunkOffsets, chunk) + length);
  }
  return end;
}

function chunkOffset({ table, entryBytes }: { table: DataView; entryBytes: 4 | 8 }, chunk: number): number {
  const at = 8 + chunk * entryBytes;
  return entryBytes === 4 ? table.getUint32(at) : Number(table.getBigUint64(at));
}

/** Visits samples in the order of the tables. A RangeError means broken tables. */
export function eachSampleOffset(
  tables: SampleTables,
  visit: (sample: number, offset: number, sizeBytes: number) => void,
): void {
  const { sizes, chunkRuns, chunkOffsets } = tables;
  if (!sizes || !chunkRuns || !chunkOffsets) return;
  const fixedSize = sizes.getUint32(4);
  const sampleCount = sizes.getUint32(8);
  const chunkCount = chunkOffsets.table.getUint32(4);
  const runCount = chunkRuns.getUint32(4);
  let sample = 0;
  let run = 0;
  for (let chunk = 0; chunk < chunkCount && sample < sampleCount; chunk++) {
    while (run + 1 < runCount && chunkRuns.getUint32(8 + 12 * (run + 1)) <= chunk + 1) run++;
    const end = Math.min(sampleCount, sample + chunkRuns.getUint32(8 + 12 * run + 4));
    let offset = chunkOffset(chunkOffsets, chunk);
    for (; sample < end; sample++) {
      const sizeBytes = fixedSize || sizes.getUint32(12 + 4 * sample);
      visit(sample, offset, sizeBytes);
      offset += sizeBytes;
    }
  }
}

/** Where each of these samples begins; `samples` ascend. A RangeError means broken tables. */
export function sampleOffsets(tables: SampleTables, samples: number[]): number[] {
  const { sizes, chunkRuns, chunkOffsets } = tables;
  if (!sizes || !chunkRuns || !chunkOffsets) return [];
  const fixedSize = sizes.getUint32(4);
  const chunkCount = chunkOffsets.table.getUint32(4);
  const runCount = chunkRuns.getUint32(4);
  const offsets: number[] = [];
  let first = 0;
  let run = 0;
  for (let chunk = 0; chunk < chunkCount && offsets.length < samples.length; chunk++) {
    while (run + 1 < runCount && chunkRuns.getUint32(8 + 12 * (run + 1)) <= chunk + 1) run++;
    const end = first + chunkRuns.getUint32(8 + 12 * run + 4);
    let offset = chunkOffset(chunkOffsets, chunk);
    for (let sample = first; offsets.length < samples.length && samples[offsets.length]! < end; sample++) {
      if (samples[offsets.length] === sample) offsets.push(offset);
      offset += fixedSize || sizes.getUint32(12 + 4 * sample);
    }
    first = end;
  }
  return offsets;
}
