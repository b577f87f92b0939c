// Plans the copied rendition: what the index of the source says becomes the timeline its playlists tell.
import { avcCodecString } from './codec-string.ts';
import { audioTimeline, type CopiedAudio, copiedAudio, encodedAudio } from './instant-audio.ts';
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

/** What a copy takes of a source; no `audio` where there is none, or it must be encoded. */
export type CopySources = { video: CopiedVideo; audio?: CopiedAudio };

/** Undefined where a copy would not be exact. Whether players take it is `judgeInstant`'s to say. */
export function planInstant(
  source: IndexedSource,
  info: SourceInfo,
  plan: Plan,
): { instant: PlannedInstant; sources: CopySources } | undefined {
  const sources = copySources(source, plan);
  const stream = source.streams[plan.source.videoStreamIndex];
  if (!sources || !stream || !agrees(sources.video, info)) return undefined;
  if (copiedBytes(sources) > info.sizeBytes) return undefined;
  const video = describeVideo(sources.video, stream, plan);
  const track = instantAudioOf(plan);
  const audio = track && describeAudio(sources.audio, info, plan, track, video);
  return { instant: { video, ...(audio && { audio }) }, sources };
}

/** The pictures and, where its frames can be taken over, the sound of a copy. */
export function copySources({ index, streams }: IndexedSource, plan: Plan): CopySources | undefined {
  const { zeroSeconds = 0, videoStreamIndex } = plan.source;
  const track = index.tracks[videoStreamIndex];
  const video = track && copiedVideo(track, index, { zeroSeconds, segmentSeconds: plan.segmentSeconds });
  if (!video) return undefined;
  const planned = instantAudioOf(plan);
  const sound = planned?.isCopied ? index.tracks[planned.streamIndex] : undefined;
  const stream = planned && streams[planned.streamIndex];
  const audio = sound && stream && copiedAudio(sound, index, stream, zeroSeconds);
  return { video, ...(audio && { audio }) };
}

/** The track a player would begin with. */
export function instantAudioOf({ audio }: Plan): PlannedAudio | undefined {
  const stereo = audio.filter(({ channels }) => channels <= 2);
  return stereo.find(({ isDefault }) => isDefault) ?? stereo[0];
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

/** A forged index may name the same bytes again and again: no copy is larger than its source. */
function copiedBytes({ video, audio }: CopySources): number {
  const pictures = video.segments.reduce((sum, { mediaBytes }) => sum + mediaBytes, 0);
  return pictures + (audio?.samples.sizes.reduce((sum, bytes) => sum + bytes, 0) ?? 0);
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
    codecs: avcCodecString(stream.configuration!),
    width: stream.width,
    height: stream.height,
    fps: plan.fps,
    ...ratesOf(sized),
    segments: copied.segments.map(({ startTicks, durationTicks }) => ({ startTicks, durationTicks })),
  };
}

function describeAudio(
  copied: CopiedAudio | undefined,
  info: SourceInfo,
  plan: Plan,
  audio: PlannedAudio,
  video: InstantVideo,
): InstantAudio | undefined {
  const track = info.audio.find(({ streamIndex }) => streamIndex === audio.streamIndex);
  if (!track) return undefined;
  const heardSeconds = track.startSeconds + track.durationSeconds;
  const timeline = copied ?? encodedAudio(audio.silentUntilSeconds ?? heardSeconds, track.sampleRate);
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
  { samples, frames, frameTicks, timescale }: CopiedAudio,
  { startTicks, durationTicks }: InstantSegment,
): Sized {
  const first = startTicks / frameTicks;
  const count = durationTicks / frameTicks;
  let bytes = SEGMENT_OVERHEAD_BYTES + SAMPLE_OVERHEAD_BYTES * count;
  // Silence has no size of a sample, and next to none of its own.
  for (const sample of frames.subarray(first, first + count)) bytes += samples.sizes[sample] ?? 0;
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
