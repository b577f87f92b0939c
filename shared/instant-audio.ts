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
  /** The first sample taken. */
  firstSample: number;
  /** Silent frames before it. */
  leadFrames: number;
  /** AudioSpecificConfig */
  configuration: Uint8Array;
};

/** ffmpeg's encoder begins with one frame of priming. */
const ENCODER_FRAME_TICKS = 1024;
const MAX_SAMPLES = 4_200_000;

/** Undefined where its frames are not of one length back to back, or the edit list is not followed. */
export function copiedAudio(
  track: IsoTrack,
  index: Pick<IsoIndex, 'boxes'>,
  { configuration, sampleRate }: StreamFacts,
  zeroSeconds: number,
): CopiedAudio | undefined {
  const clock = trackClock(track, index);
  const samples = clock && listOf(track);
  if (!samples || !configuration || configuration.length < 2 || track.sampleEntries.length !== 1)
    return undefined;
  // 5 bits object type, 4 bits frequency index, 4 bits channels, then frameLengthFlag (ISO/IEC 14496-3).
  const frameTicks = configuration[1]! & 0x04 ? 960 : 1024;
  const timescale = clock.ticksPerSecond;
  if (timescale !== sampleRate || !isRegular(samples, frameTicks)) return undefined;

  // A decoder needs one frame before the first that is heard.
  const firstSample = Math.max(0, Math.floor(clock.shownFrom / frameTicks) - 1);
  const endSample = Math.min(samples.count, Math.ceil(clock.shownTo / frameTicks));
  const pauseTicks = Math.max(0, Math.round((clock.waitSeconds - zeroSeconds) * timescale));
  const leadFrames = Math.ceil(pauseTicks / frameTicks);
  if (endSample <= firstSample) return undefined;
  return {
    timescale,
    frameTicks,
    hiddenTicks: clock.shownFrom - firstSample * frameTicks + leadFrames * frameTicks - pauseTicks,
    frameCount: leadFrames + endSample - firstSample,
    samples,
    firstSample,
    leadFrames,
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

/** The last frame may be told as shorter than it is. */
function isRegular(samples: SampleList, frameTicks: number): boolean {
  const { count, durations } = samples;
  return durations.every(
    (ticks, sample) => ticks === frameTicks || (sample === count - 1 && ticks < frameTicks),
  );
}

function listOf(track: IsoTrack): SampleList | undefined {
  try {
    return readSampleList(track, MAX_SAMPLES);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
