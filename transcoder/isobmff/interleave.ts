// Samples of several tracks in the order a file read from its start wants them: a second of each track in turn.
import { boxesIn, malformed } from './boxes.ts';
import { readFragment, type Sample } from './fragment.ts';

export type TrackSegments = {
  timescale: number;
  /** Decode time of the instant shown at time 0. */
  hiddenTicks: number;
  segmentCount: number;
  /** Bytes of a media segment as it was made. */
  read(index: number): Promise<Uint8Array>;
};

export type PlacedSample = Sample & { data: Uint8Array };

/** Samples that follow each other in the file. */
export type Chunk = { track: number; samples: PlacedSample[] };

type Second = { second: number; samples: PlacedSample[] };

/**
 * Never holds more than two segments of each track.
 *
 * @throws AppError verification_failed where a track has a hole.
 */
export async function* interleaved(
  tracks: readonly TrackSegments[],
  signal: AbortSignal,
): AsyncGenerator<Chunk, void, void> {
  const open = tracks.map((track) => seconds(track, signal));
  const heads: (Second | undefined)[] = [];
  for (const track of open) heads.push((await track.next()).value ?? undefined);
  for (;;) {
    let first: number | undefined;
    for (const [track, head] of heads.entries()) {
      if (head && (first === undefined || head.second < heads[first]!.second)) first = track;
    }
    if (first === undefined) return;
    yield { track: first, samples: heads[first]!.samples };
    heads[first] = (await open[first]!.next()).value ?? undefined;
  }
}

/** A track in pieces of a second. */
async function* seconds(track: TrackSegments, signal: AbortSignal): AsyncGenerator<Second, void, void> {
  let ticks = 0;
  let current: Second | undefined;
  for await (const { baseTicks, samples } of fragments(track, signal)) {
    if (baseTicks !== ticks) throw malformed(`A fragment starts at ${baseTicks}, not ${ticks}.`);
    for (const sample of samples) {
      const second = Math.max(0, Math.floor((ticks - track.hiddenTicks) / track.timescale));
      if (current?.second !== second) {
        if (current) yield current;
        current = { second, samples: [] };
      }
      current.samples.push(sample);
      ticks += sample.durationTicks;
    }
  }
  if (current) yield current;
}

async function* fragments(
  { segmentCount, read }: TrackSegments,
  signal: AbortSignal,
): AsyncGenerator<{ baseTicks: number; samples: PlacedSample[] }, void, void> {
  let next = segmentCount > 0 ? begun(read(0)) : undefined;
  for (let index = 0; next; index++) {
    signal.throwIfAborted();
    const segment = await next;
    next = index + 1 < segmentCount ? begun(read(index + 1)) : undefined;
    for (const box of boxesIn(segment)) {
      if (box.type !== 'moof') continue;
      const { baseTicks, samples, dataOffset } = readFragment(segment.subarray(box.start, box.end));
      let at = box.start + dataOffset;
      const placed = samples.map((sample) => {
        const data = segment.subarray(at, at + sample.sizeBytes);
        if (data.length < sample.sizeBytes) throw malformed('A sample runs past its segment.');
        at += sample.sizeBytes;
        return { ...sample, data };
      });
      yield { baseTicks, samples: placed };
    }
  }
}

/** A read whose failure is heard when it is awaited, or not at all. */
function begun(read: Promise<Uint8Array>): Promise<Uint8Array> {
  read.catch(() => undefined);
  return read;
}
