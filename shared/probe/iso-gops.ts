// The groups of pictures of an MP4 or MOV track, from its index: how long, how large, how closed.
import type { IsoIndex, IsoTrack } from './iso-boxes.ts';
import { sampleOffsets } from './iso-samples.ts';
import { trackClock, walkPictures } from './iso-times.ts';

export type Gop = {
  /** Where the key picture's bytes begin and how many they are. */
  keyOffset: number;
  keyBytes: number;
  sizeBytes: number;
  durationSeconds: number;
  /** Some of its pictures are shown before its key picture, and so need the group before. */
  isOpen: boolean;
};

type Draft = Gop & { keySample: number; keyTicks: number; ticks: number };

/** Undefined for a track that does not begin with a key picture. @throws RangeError for broken tables */
export function readGops(track: IsoTrack, index: IsoIndex, maxPackets: number): Gop[] | undefined {
  const clock = trackClock(track, index);
  const steps = track.boxes.get('stts');
  const { sizes } = track.tables;
  if (!clock || !steps || !sizes) return undefined;
  const fixedSize = sizes.getUint32(4);
  const sizeOf = (sample: number) => fixedSize || sizes.getUint32(12 + 4 * sample);
  const gops: Draft[] = [];
  walkPictures(track, steps, maxPackets, (sample, ticks, step, isKey) => {
    const sizeBytes = sizeOf(sample);
    if (isKey) {
      const times = { keyTicks: ticks, ticks: 0, durationSeconds: 0 };
      gops.push({
        keySample: sample,
        keyOffset: 0,
        keyBytes: sizeBytes,
        sizeBytes: 0,
        isOpen: false,
        ...times,
      });
    }
    const gop = gops.at(-1);
    if (!gop) return;
    gop.sizeBytes += sizeBytes;
    gop.ticks += step;
    if (ticks < gop.keyTicks) gop.isOpen = true;
  });
  if (gops[0]?.keySample !== 0) return undefined;
  const offsets = sampleOffsets(
    track.tables,
    gops.map(({ keySample }) => keySample),
  );
  return gops.map(({ keySample: _, keyTicks: __, ticks, ...gop }, position) => ({
    ...gop,
    keyOffset: offsets[position] ?? 0,
    durationSeconds: ticks / clock.ticksPerSecond,
  }));
}
