// How long a film is, how many pictures and which sound it has: from its index alone. The same reading as the
// transcoder's, of the original where it lies, so that what comes out can be compared with it.
import { AppError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import { chooseStreams } from '../../shared/probe/choose-streams.ts';
import { inspectIso } from '../../shared/probe/iso-boxes.ts';
import { isoStreams } from '../../shared/probe/iso-streams.ts';
import { indexedTimes } from '../../shared/probe/iso-times.ts';
import { sourceInfoOf } from '../../shared/probe/source-info.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import { displaySize } from '../../shared/source-limits.ts';
import { ApiFailure } from '../cli/api-client.ts';
import type { RemoteFile } from './remote-file.ts';

export type ProbedSource = {
  durationSeconds: number;
  /** Where the last picture ends. */
  picturesEndSeconds: number;
  width: number;
  height: number;
  framesPerSecond: number;
  audioTracks: number;
};

/**
 * Undefined where only the whole file can tell.
 *
 * @throws AppError media_… where the file is none that is converted
 */
export async function probeRemote(file: RemoteFile): Promise<ProbedSource | undefined> {
  const head = await file.read(0, Math.min(SNIFF_BYTES, file.sizeBytes));
  const { demuxer } = sniffContainer(head, file.sizeBytes);
  if (demuxer !== 'mov') return undefined;
  try {
    const index = await inspectIso(file);
    if (index.isFragmented) return undefined;
    const chosen = chooseStreams(isoStreams(index));
    const times = new Map(
      [chosen.video, ...chosen.audio].flatMap((stream) => {
        const track = index.tracks[stream.index];
        const found = track && indexedTimes(track, index);
        return found ? [[stream.index, found] as const] : [];
      }),
    );
    if (!times.has(chosen.video.index)) return undefined;
    const info = sourceInfoOf({ demuxer, sizeBytes: file.sizeBytes, chosen, times, hasIndex: true });
    return {
      durationSeconds: info.durationSeconds,
      picturesEndSeconds: info.video.startSeconds + info.video.durationSeconds,
      ...displaySize(info.video),
      framesPerSecond: info.video.averageFps,
      audioTracks: info.audio.length,
    };
  } catch (error) {
    // A table that is cut short, or a server that sends only whole files: the conversion will tell.
    if (error instanceof RangeError) return undefined;
    if (error instanceof ApiFailure && error.code === 'source_without_ranges') return undefined;
    // What may be published as sound alone is not refused here.
    if (error instanceof AppError && error.code === 'media_no_video_stream') return undefined;
    throw error;
  }
}
