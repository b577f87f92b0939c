// Finds out what a source is. Headers are hearsay: extents, pace and key frames come from the packets, and
// whatever cannot be decoded in full is refused here with a sentence for the person who uploaded it.

import { AppError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import type { SoundInfo } from '../../shared/plan-sound.ts';
import { type ChosenStreams, chooseAudio, chooseStreams } from '../../shared/probe/choose-streams.ts';
import { type IsoIndex, inspectIso } from '../../shared/probe/iso-boxes.ts';
import { indexedTimes } from '../../shared/probe/iso-times.ts';
import { hasMatroskaCues } from '../../shared/probe/matroska.ts';
import { type PacketTimes, pictureTiming } from '../../shared/probe/picture-times.ts';
import { FALLBACK_FPS, soundExtents, sourceInfoOf } from '../../shared/probe/source-info.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import type { RunLimits } from '../ffmpeg/run.ts';
import { askFfprobe, type Probe } from '../probe/ask-ffprobe.ts';
import { ProbedFile, type ProbedStream, streamFacts } from '../probe/ffprobe-streams.ts';
import { walkPackets } from '../probe/packet-walk.ts';
import { textsOf } from '../probe/text-streams.ts';
import type { Scratch } from '../scratch.ts';

/** @throws AppError with a `media_` code saying what the file is; FfmpegError for trouble of our own. */
export async function probeSource(
  source: Probe['source'],
  scratch: Pick<Scratch, 'directory'>,
  limits: RunLimits,
  signal: AbortSignal,
): Promise<SourceInfo> {
  const probe = await openProbe(source, { directory: scratch.directory, limits, signal });
  const { demuxer } = probe;

  const structure = await inspectContainer(probe);
  const probed = await describe(probe);
  const { streams } = probed;
  const chosen = chooseStreams(streams.map(streamFacts));
  const times = await packetTimes(probe, structure.index, streams, chosen);
  const info = sourceInfoOf({
    demuxer,
    sizeBytes: source.sizeBytes,
    chosen,
    times,
    hasIndex: structure.isSeekable,
  });
  return { ...info, ...textsOf(probed, info) };
}

/**
 * The sound of a file that {@link probeSource} has found to hold nothing else.
 *
 * @throws AppError media_unsupported_codec where none of it can be decoded, media_truncated where there is none.
 */
export async function probeSound(
  source: Probe['source'],
  scratch: Pick<Scratch, 'directory'>,
  limits: RunLimits,
  signal: AbortSignal,
): Promise<SoundInfo> {
  const probe = await openProbe(source, { directory: scratch.directory, limits, signal });
  const { streams } = await describe(probe);
  const chosen = chooseAudio(streams.map(streamFacts));
  if (chosen.length === 0) throw new AppError('media_unsupported_codec');
  const indexes = chosen.map(({ index }) => index);
  const times = await walkPackets(probe, indexes);
  return {
    demuxer: probe.demuxer,
    sizeBytes: source.sizeBytes,
    streamCount: streams.length,
    ...soundExtents(chosen, times),
  };
}

/** @throws AppError with a `media_` code where the first bytes are of no container that is read. */
async function openProbe(source: Probe['source'], run: Probe['run']): Promise<Probe> {
  const head = await source.read(0, Math.min(SNIFF_BYTES, source.sizeBytes));
  return { source, demuxer: sniffContainer(head, source.sizeBytes).demuxer, run };
}

/** Whether the container can be sought exactly; refuses what its structure alone gives away. */
async function inspectContainer({
  source,
  demuxer,
}: Probe): Promise<{ isSeekable: boolean; index?: IsoIndex }> {
  if (demuxer === 'matroska') return { isSeekable: await hasMatroskaCues(source) };
  if (demuxer !== 'mov') return { isSeekable: false };
  const index = await inspectIso(source);
  return index.isFragmented ? { isSeekable: false } : { isSeekable: true, index };
}

async function describe(probe: Probe): Promise<ProbedFile> {
  return ProbedFile.parse(
    JSON.parse(await askFfprobe(probe, ['-of', 'json', '-show_format', '-show_streams', '-show_chapters'])),
  );
}

/** From the index where there is a good one, else from one pass over the file. */
async function packetTimes(
  probe: Probe,
  index: IsoIndex | undefined,
  probed: ProbedStream[],
  { video, audio }: ChosenStreams,
): Promise<Map<number, PacketTimes>> {
  const wanted = [video, ...audio];
  const times = new Map<number, PacketTimes>();
  for (const stream of index ? wanted : []) {
    const track = index!.tracks.find(({ id }) => id === stream.trackId);
    const found = track && indexedTimes(track, index!);
    if (found) times.set(stream.index, found);
  }
  const declared = probed.find((stream) => stream.index === video.index);
  const isKnown = wanted.every((stream) => times.has(stream.index));
  if (isKnown && agrees(declared!, times.get(video.index)!)) return times;
  return walkPackets(
    probe,
    wanted.map((stream) => stream.index),
  );
}

/** An edit list may cut pictures in ways only the demuxer knows; then its own packets decide. */
function agrees(declared: ProbedStream, times: PacketTimes): boolean {
  const timing = pictureTiming(times, FALLBACK_FPS);
  if (!timing || declared.start_time === undefined || declared.duration === undefined) return false;
  const toleranceSeconds = 0.6 / timing.typicalFps;
  const declaredEnd = declared.start_time + declared.duration;
  return (
    Math.abs(timing.startSeconds - declared.start_time) <= Math.min(0.002, toleranceSeconds) &&
    Math.abs(timing.endSeconds - declaredEnd) <= toleranceSeconds
  );
}
