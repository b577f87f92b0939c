// Finds out what a source is. Headers are hearsay: extents, pace and key frames come from the packets, and
// whatever cannot be decoded in full is refused here with a sentence for the person who uploaded it.
import { AppError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import type { SourceAudio, SourceInfo, SourceVideo } from '../../shared/plan.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import { refuseSourceSize } from '../../shared/source-limits.ts';
import type { RunLimits } from '../ffmpeg/run.ts';
import { askFfprobe, type Probe } from '../probe/ask-ffprobe.ts';
import {
  audioProperties,
  chooseAudio,
  chooseVideo,
  declaredFps,
  videoProperties,
} from '../probe/choose-streams.ts';
import { ProbedFile, type ProbedStream } from '../probe/ffprobe-schema.ts';
import { walkIndex } from '../probe/index-walk.ts';
import { inspectIso } from '../probe/iso-boxes.ts';
import { hasMatroskaCues } from '../probe/matroska.ts';
import { walkPackets } from '../probe/packet-walk.ts';
import { extentOf, type PacketTimes, type PictureTiming, pictureTiming } from '../probe/picture-times.ts';
import type { Scratch } from '../scratch.ts';

/** @throws AppError with a `media_` code saying what the file is; FfmpegError for trouble of our own. */
export async function probeSource(
  source: Probe['source'],
  scratch: Pick<Scratch, 'directory'>,
  limits: RunLimits,
  signal: AbortSignal,
): Promise<SourceInfo> {
  const head = await source.read(0, Math.min(SNIFF_BYTES, source.sizeBytes));
  const { demuxer } = sniffContainer(head, source.sizeBytes);
  const probe: Probe = { source, demuxer, run: { directory: scratch.directory, limits, signal } };

  const hasIndex = await inspectContainer(probe);
  const file = await describe(probe);
  const video = chooseVideo(file.streams);
  const audio = chooseAudio(file.streams);
  const properties = videoProperties(video);
  refuseSourceSize(properties, file.streams.length);

  const times = await packetTimes(probe, hasIndex, video, audio);
  const timing = times.get(video.index) && pictureTiming(times.get(video.index)!, declaredFps(video));
  if (!timing) {
    throw new AppError('media_truncated', {
      detail: 'The file describes a video but holds none of its pictures.',
    });
  }
  // The encoder shifts the container's clock by this for every stream alike, so sound and picture keep their
  // offset. The file's own start time is no use: text and data streams count in it.
  const zeroSeconds = Math.min(...[...times.values()].flatMap((one) => extentOf(one)?.startSeconds ?? []));
  const tracks = audio.flatMap((stream) => sourceAudio(stream, times.get(stream.index), zeroSeconds));
  return {
    demuxer,
    sizeBytes: source.sizeBytes,
    streamCount: file.streams.length,
    zeroSeconds,
    durationSeconds: Math.max(
      timing.endSeconds - zeroSeconds,
      ...tracks.map((track) => track.startSeconds + track.durationSeconds),
    ),
    video: { ...properties, ...videoTiming(timing, zeroSeconds) },
    audio: tracks,
    ...(hasIndex ? { keyFrameSeconds: timing.keySeconds.map((seconds) => seconds - zeroSeconds) } : {}),
  };
}

/** Whether the container can be sought exactly; refuses what its structure alone gives away. */
async function inspectContainer({ source, demuxer }: Probe): Promise<boolean> {
  if (demuxer === 'mov') return !(await inspectIso(source)).isFragmented;
  if (demuxer === 'matroska') return hasMatroskaCues(source);
  return false;
}

async function describe(probe: Probe): Promise<ProbedFile> {
  return ProbedFile.parse(
    JSON.parse(await askFfprobe(probe, ['-of', 'json', '-show_format', '-show_streams'])),
  );
}

/** From the index where there is a good one, else from one pass over the file. */
async function packetTimes(
  probe: Probe,
  hasIndex: boolean,
  video: ProbedStream,
  audio: ProbedStream[],
): Promise<Map<number, PacketTimes>> {
  const streams = [video, ...audio];
  if (hasIndex && probe.demuxer === 'mov') {
    const byTrack = await walkIndex(probe.source, streams.map(trackId), probe.run.signal);
    const times = new Map(
      streams.flatMap((stream) => {
        const found = byTrack.get(trackId(stream));
        return found ? [[stream.index, found] as const] : [];
      }),
    );
    if (streams.every((stream) => times.has(stream.index)) && agrees(video, times.get(video.index)!))
      return times;
  }
  return walkPackets(
    probe,
    streams.map(({ index }) => index),
  );
}

/** An edit list may cut pictures in ways only the demuxer knows; then its own packets decide. */
function agrees(video: ProbedStream, times: PacketTimes): boolean {
  const timing = pictureTiming(times, declaredFps(video));
  if (!timing || video.start_time === undefined || video.duration === undefined) return false;
  const toleranceSeconds = 0.6 / timing.typicalFps;
  const declaredEnd = video.start_time + video.duration;
  return (
    Math.abs(timing.startSeconds - video.start_time) <= Math.min(0.002, toleranceSeconds) &&
    Math.abs(timing.endSeconds - declaredEnd) <= toleranceSeconds
  );
}

function trackId(stream: ProbedStream): number {
  return Number(stream.id ?? Number.NaN);
}

function videoTiming(timing: PictureTiming, zeroSeconds: number): VideoTiming {
  return {
    startSeconds: timing.startSeconds - zeroSeconds,
    durationSeconds: timing.endSeconds - timing.startSeconds,
    averageFps: timing.averageFps,
    typicalFps: timing.typicalFps,
    isVariableFrameRate: timing.isVariable,
  };
}

type VideoTiming = Omit<SourceVideo, keyof ReturnType<typeof videoProperties>>;

/** None for a track without packets: its header promises sound that is not there. */
function sourceAudio(
  stream: ProbedStream,
  times: PacketTimes | undefined,
  zeroSeconds: number,
): SourceAudio[] {
  const extent = times && extentOf(times);
  if (!extent) return [];
  return [
    {
      ...audioProperties(stream),
      startSeconds: extent.startSeconds - zeroSeconds,
      durationSeconds: extent.endSeconds - extent.startSeconds,
    },
  ];
}
