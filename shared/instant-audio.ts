// The sound beside a copied video: where it is cut, and which frames of the source it takes where those are AAC
// that can be copied.
import { AUDIO_STUB_SECONDS, type AudioClock, audioCut } from './audio-cuts.ts';
import type { InstantSegment } from './plan-instant.ts';
import type { IsoIndex, IsoTrack } from './probe/iso-boxes.ts';
import { readSampleList, type SampleList } from './probe/iso-sample-list.ts';
import { trackClock } from './probe/iso-times.ts';
import type { StreamFacts } from './probe/stream-facts.ts';

/** How a track of AAC frames lies on the source's time axis. */
export type AudioTimeline = AudioClock & { frameCount: number };

export type CopiedAudio = AudioTimeline & {
  samples: SampleList;
  /** The sample of each frame, or {@link SILENCE}. */
  frames: Int32Array;
  /** AudioSpecificConfig */
  configuration: Uint8Array;
};

export const SILENCE = -1;
/** Samples may stray this many frames from the track's own clock before a frame is added or dropped. */
const STRAY_FRAMES = 2;
/** ffmpeg's encoder begins with one frame of priming. */
const ENCODER_FRAME_TICKS = 1024;
/** A day of them. */
const MAX_FRAMES = 4_200_000;

/**
 * Frames are laid back to back, whatever jitter the index gives them; holes and a late start are silent. Undefined
 * where the track's clock does not count its samples, or the edit list is not followed.
 */
export function copiedAudio(
  track: IsoTrack,
  index: Pick<IsoIndex, 'boxes'>,
  { configuration, sampleRate }: StreamFacts,
  zeroSeconds: number,
): CopiedAudio | undefined {
  const clock = trackClock(track, index);
  const samples = clock && readSampleList(track, MAX_FRAMES);
  if (!samples || !configuration || configuration.length < 2 || track.sampleEntries.length !== 1)
    return undefined;
  // 5 bits object type, 4 bits frequency index, 4 bits channels, then frameLengthFlag (ISO/IEC 14496-3).
  const frameTicks = configuration[1]! & 0x04 ? 960 : 1024;
  const timescale = clock.ticksPerSecond;
  if (timescale !== sampleRate) return undefined;
  const slots = samples && slotsOf(samples, frameTicks);
  if (!slots) return undefined;

  // A decoder needs one frame before the first that is heard.
  const firstSlot = Math.max(0, Math.floor(clock.shownFrom / frameTicks) - 1);
  const heard = slots.slice(firstSlot, Math.ceil(clock.shownTo / frameTicks));
  const pauseTicks = Math.max(0, Math.round((clock.waitSeconds - zeroSeconds) * timescale));
  const leadFrames = Math.ceil(pauseTicks / frameTicks);
  if (heard.length === 0 || leadFrames > MAX_FRAMES) return undefined;
  const frames = new Int32Array(leadFrames + heard.length).fill(SILENCE, 0, leadFrames);
  frames.set(heard, leadFrames);
  return {
    timescale,
    frameTicks,
    hiddenTicks: clock.shownFrom - firstSlot * frameTicks + leadFrames * frameTicks - pauseTicks,
    frameCount: frames.length,
    samples,
    frames,
    configuration,
  };
}

/** What the encoder makes of a track that ends so many seconds after time zero. */
export function encodedAudio(endSeconds: number, sampleRate: number): AudioTimeline {
  // The nearer of the two rates the encoder is allowed.
  const timescale = sampleRate - 44_100 < 48_000 - sampleRate ? 44_100 : 48_000;
  const frameTicks = ENCODER_FRAME_TICKS;
  const frameCount = Math.max(2, Math.ceil((endSeconds * timescale) / frameTicks) + 1);
  return { timescale, frameTicks, hiddenTicks: frameTicks, frameCount };
}

/** Segments cut at the frame nearest each boundary. */
export function audioTimeline(
  timeline: AudioTimeline,
  boundarySeconds: (index: number) => number,
): InstantSegment[] {
  const { timescale, frameTicks, frameCount } = timeline;
  const segments: InstantSegment[] = [];
  for (let first = 0; first < frameCount; ) {
    const cut = audioCut(timeline, boundarySeconds(segments.length + 1));
    const end = Math.min(frameCount, Math.max(first + 1, cut));
    const durationTicks = (end - first) * frameTicks;
    const previous = segments.at(-1);
    if (previous && end === frameCount && durationTicks < AUDIO_STUB_SECONDS * timescale) {
      previous.durationTicks += durationTicks;
    } else {
      segments.push({ startTicks: first * frameTicks, durationTicks });
    }
    first = end;
  }
  return segments;
}

/** The sample of each frame of the track's own clock; undefined where its durations are no such clock's. */
function slotsOf(samples: SampleList, frameTicks: number): Int32Array | undefined {
  const slots: number[] = [];
  let ticks = 0;
  for (let sample = 0; sample < samples.count; sample++) {
    const ahead = Math.round(ticks / frameTicks) - slots.length;
    if (slots.length + ahead > MAX_FRAMES) return undefined;
    for (let missing = ahead >= STRAY_FRAMES ? ahead : 0; missing > 0; missing--) slots.push(SILENCE);
    if (ahead > -STRAY_FRAMES) slots.push(sample);
    ticks += samples.durations[sample]!;
  }
  return Int32Array.from(slots);
}
