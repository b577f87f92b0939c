// Plans the copied rendition: what the index of the source says becomes the timeline its playlists tell.
import { audioTimeline, copiedAudio, encodedAudio } from './instant-audio.ts';
import { type CopiedVideo, copiedVideo } from './instant-video.ts';
import type { Plan, PlannedAudio } from './plan.ts';
import type { InstantAudio, InstantSegment, InstantVideo, PlannedInstant } from './plan-instant.ts';
import type { IsoIndex } from './probe/iso-boxes.ts';
import type { StreamFacts } from './probe/stream-facts.ts';
import type { SourceInfo } from './source-info.ts';

/** What a segment's boxes take: all around the samples, and of each sample. */
const SEGMENT_OVERHEAD_BYTES = 200;
const SAMPLE_OVERHEAD_BYTES = 16;
/** An encoder's stream may be this much above its rate. */
const ENCODED_PEAK_RATIO = 1.3;

/** A source as its own index tells it; streams have the numbers that ffmpeg gives them. */
export type IndexedSource = { index: IsoIndex; streams: StreamFacts[] };

/** Undefined where a copy would not be exact. Whether players take it is `judgeInstant`'s to say. */
export function planInstant(source: IndexedSource, info: SourceInfo, plan: Plan): PlannedInstant | undefined {
  const copied = copiedVideoOf(source, plan);
  const stream = source.streams[plan.source.videoStreamIndex];
  if (!copied || !stream || !agrees(copied, info)) return undefined;
  const video = describeVideo(copied, stream, plan);
  const track = instantAudioOf(plan);
  const audio = track && describeAudio(source, info, plan, track, video);
  return { video, ...(audio && { audio }) };
}

export function copiedVideoOf({ index }: IndexedSource, plan: Plan): CopiedVideo | undefined {
  const track = index.tracks[plan.source.videoStreamIndex];
  const { segmentSeconds } = plan;
  return track && copiedVideo(track, index, { zeroSeconds: plan.source.zeroSeconds ?? 0, segmentSeconds });
}

/** The track a player would begin with. */
export function instantAudioOf({ audio }: Plan): PlannedAudio | undefined {
  const stereo = audio.filter(({ channels }) => channels <= 2);
  return stereo.find(({ isDefault }) => isDefault) ?? stereo[0];
}

/** Undefined where the track must be encoded, or the copy is the encoder's to make. */
export function copiedAudioOf({ index, streams }: IndexedSource, plan: Plan, audio: PlannedAudio) {
  const track = index.tracks[audio.streamIndex];
  const stream = streams[audio.streamIndex];
  if (!audio.isCopied || !track || !stream) return undefined;
  return copiedAudio(track, index, stream, plan.source.zeroSeconds ?? 0);
}

/** Start of segment `index` of the copied video, and in the same stride after its end. */
export function instantBoundary({ timescale, segments }: InstantVideo, segmentSeconds: number) {
  const last = segments.at(-1)!;
  const endSeconds = (last.startTicks + last.durationTicks) / timescale;
  return (index: number) => {
    const segment = segments[index];
    return segment ? segment.startTicks / timescale : endSeconds + (index - segments.length) * segmentSeconds;
  };
}

/** The packets, however they were found, say the same as the index. */
function agrees({ timescale, heldTicks, segments }: CopiedVideo, { video }: SourceInfo): boolean {
  const last = segments.at(-1)!;
  const endSeconds = (last.startTicks + last.durationTicks) / timescale;
  const toleranceSeconds = 2 / video.averageFps;
  return (
    Math.abs(heldTicks / timescale - video.startSeconds) <= 0.002 &&
    Math.abs(endSeconds - video.startSeconds - video.durationSeconds) <= toleranceSeconds
  );
}

function describeVideo(copied: CopiedVideo, stream: StreamFacts, plan: Plan): InstantVideo {
  const { timescale } = copied;
  const sized = copied.segments.map(({ firstSample, endSample, durationTicks, mediaBytes }) => ({
    seconds: durationTicks / timescale,
    bytes: mediaBytes + SEGMENT_OVERHEAD_BYTES + SAMPLE_OVERHEAD_BYTES * (endSample - firstSample),
  }));
  return {
    name: `${Math.min(stream.width, stream.height)}p`,
    timescale,
    codecs: `avc1.${hex(stream.configuration!.subarray(1, 4))}`,
    width: stream.width,
    height: stream.height,
    fps: plan.fps,
    ...ratesOf(sized),
    segments: copied.segments.map(({ startTicks, durationTicks }) => ({ startTicks, durationTicks })),
  };
}

function describeAudio(
  source: IndexedSource,
  info: SourceInfo,
  plan: Plan,
  audio: PlannedAudio,
  video: InstantVideo,
): InstantAudio | undefined {
  const copied = copiedAudioOf(source, plan, audio);
  const track = info.audio.find(({ streamIndex }) => streamIndex === audio.streamIndex);
  if (!track) return undefined;
  const timeline = copied ?? encodedAudio(track.startSeconds + track.durationSeconds, track.sampleRate);
  const segments = audioTimeline(timeline, instantBoundary(video, plan.segmentSeconds));
  const { name, channels, language, label, bitrateBps } = audio;
  return {
    ...{ name, channels, language, label, segments },
    timescale: timeline.timescale,
    codecs: `mp4a.40.${copied ? copied.configuration[0]! >> 3 : 2}`,
    bandwidthBps: copied
      ? ratesOf(segments.map((segment) => sizeOfSound(copied, segment))).peakBps
      : Math.ceil(bitrateBps * ENCODED_PEAK_RATIO),
  };
}

type Sized = { seconds: number; bytes: number };

function sizeOfSound(
  { samples, firstSample, leadFrames, frameTicks, timescale }: NonNullable<ReturnType<typeof copiedAudioOf>>,
  { startTicks, durationTicks }: InstantSegment,
): Sized {
  const first = firstSample - leadFrames + startTicks / frameTicks;
  const count = durationTicks / frameTicks;
  let bytes = SEGMENT_OVERHEAD_BYTES + SAMPLE_OVERHEAD_BYTES * count;
  for (let sample = Math.max(0, first); sample < first + count; sample++) bytes += samples.sizes[sample] ?? 0;
  return { seconds: durationTicks / timescale, bytes };
}

/** A short segment counts together with the one before (RFC 8216 §4.1: at least half the target duration). */
function ratesOf(segments: Sized[]): { peakBps: number; averageBps: number } {
  const longest = segments.reduce((most, { seconds }) => Math.max(most, seconds), 0);
  const total = { seconds: 0, bytes: 0 };
  let peak = 0;
  for (const [position, segment] of segments.entries()) {
    const before = segment.seconds < longest / 2 ? segments[position - 1] : undefined;
    const seconds = segment.seconds + (before?.seconds ?? 0);
    peak = Math.max(peak, ((segment.bytes + (before?.bytes ?? 0)) * 8) / seconds);
    total.seconds += segment.seconds;
    total.bytes += segment.bytes;
  }
  return { peakBps: Math.ceil(peak), averageBps: Math.ceil((total.bytes * 8) / total.seconds) };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
