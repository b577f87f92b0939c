// Every sample of an MP4 or MOV track in the order of decoding: where it lies, how large, when.
import type { IsoTrack } from './iso-boxes.ts';
import { eachSampleOffset } from './iso-samples.ts';
import { walkPictures } from './iso-times.ts';

export type SampleList = {
  count: number;
  offsets: Float64Array;
  sizes: Uint32Array;
  /** Ticks to the next sample. */
  durations: Uint32Array;
  /** Presentation minus decode time. */
  compositions: Int32Array;
  /** 1 for a sample that decoding may begin at. */
  keys: Uint8Array;
};

/** Undefined where there are more than `maxSamples`, or the tables are broken or disagree. */
export function readSampleList(track: IsoTrack, maxSamples: number): SampleList | undefined {
  try {
    return listOf(track, maxSamples);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // they end too early
    throw error;
  }
}

function listOf(track: IsoTrack, maxSamples: number): SampleList | undefined {
  const steps = track.boxes.get('stts');
  const { sizes } = track.tables;
  const count = sizes?.getUint32(8) ?? 0;
  if (!steps || !sizes || count === 0 || count > maxSamples) return undefined;
  const list: SampleList = {
    count,
    offsets: new Float64Array(count),
    sizes: new Uint32Array(count),
    durations: new Uint32Array(count),
    compositions: new Int32Array(count),
    keys: new Uint8Array(count),
  };
  let decodeTicks = 0;
  let timed = 0;
  walkPictures(track, steps, count, (sample, ticks, step, isKey) => {
    list.durations[sample] = step;
    list.compositions[sample] = ticks - decodeTicks;
    list.keys[sample] = isKey ? 1 : 0;
    decodeTicks += step;
    timed++;
  });
  let placed = 0;
  eachSampleOffset(track.tables, (sample, offset, sizeBytes) => {
    list.offsets[sample] = offset;
    list.sizes[sample] = sizeBytes;
    placed++;
  });
  return timed === count && placed === count ? list : undefined;
}
