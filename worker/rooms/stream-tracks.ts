// What a stream may choose from, and where in a track's files a position lies.
import { measureBitrates } from '../../shared/bitrates.ts';
import { byCodecFamily } from '../../shared/codec-string.ts';
import { AppError } from '../../shared/errors.ts';
import {
  type AudioTrack,
  longestSeconds,
  ManifestTracks,
  type VideoTrack,
} from '../../shared/manifest-tracks.ts';
import { initName, TRACKS } from '../../shared/object-keys.ts';
import type { StreamMessage } from '../../shared/stream-api.ts';
import { BoundedMap } from '../playback/bounded-map.ts';
import { openMedia } from '../playback/edge-cache.ts';
import type { MediaStore } from '../playback/media-store.ts';
import { isWithinCap } from '../playback/quality-cap.ts';

/** What most connections carry at once; who has more switches up. */
const START_BANDWIDTH_BPS = 2_000_000;
/** Those of a film of hours are about a megabyte. */
const MAX_HELD_FILMS = 8;
const held = new BoundedMap<string, ManifestTracks>(MAX_HELD_FILMS);

/** @throws AppError `stream_not_offered`, `video_not_playable` while the generation is being made */
export async function readTracks(prefix: string, store: MediaStore): Promise<ManifestTracks> {
  const tracks = held.get(prefix) ?? (await parsedTracks(prefix, store));
  held.set(prefix, tracks);
  if (tracks.protection?.scheme === 'aes-128') {
    throw new AppError('stream_not_offered', {
      detail: 'Videos under AES-128 come as HLS alone: no other player decrypts whole segments.',
    });
  }
  return tracks;
}

async function parsedTracks(prefix: string, store: MediaStore): Promise<ManifestTracks> {
  try {
    const media = await openMedia(prefix + TRACKS, store);
    return ManifestTracks.parse(await new Response((await media.body()) as BodyInit).json());
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    throw new AppError('video_not_playable', {
      detail: 'This stream is offered once the video is finished; until then there is HLS.',
      retryAfterSeconds: 10,
    });
  }
}

export function readyMessage(
  tracks: ManifestTracks,
  maxRung: number | undefined,
  windowBytes: number,
): StreamMessage {
  const { protection } = tracks;
  const video = videoWithin(tracks, maxRung);
  return {
    type: 'ready',
    durationSeconds: longestSeconds([...tracks.video, ...tracks.audio]),
    windowBytes,
    video: video.map((track) => {
      const { name, width, height, codecs } = track;
      return { name, width, height, codecs, bandwidthBps: measureBitrates(track).peakBps };
    }),
    audio: tracks.audio.map(({ name, language, label, codecs }) => ({ name, language, label, codecs })),
    ...(protection?.scheme === 'cenc' && { protection }),
  };
}

/** @throws AppError `stream_track_unknown`, for a rung above the token's cap too */
export function chooseVideo(
  tracks: ManifestTracks,
  maxRung: number | undefined,
  name: string | undefined,
): VideoTrack | undefined {
  const allowed = videoWithin(tracks, maxRung).toSorted((a, b) => a.height - b.height);
  if (name !== undefined) return named(allowed, name);
  return allowed.findLast((track) => measureBitrates(track).peakBps <= START_BANDWIDTH_BPS) ?? allowed[0];
}

/** @throws AppError `stream_track_unknown` */
export function chooseAudio({ audio }: ManifestTracks, name: string | undefined): AudioTrack | undefined {
  return name === undefined ? (audio.find(({ isDefault }) => isDefault) ?? audio[0]) : named(audio, name);
}

/** The ladder that every browser decodes. */
export function videoWithin({ video }: ManifestTracks, maxRung: number | undefined): VideoTrack[] {
  return (byCodecFamily(video)[0] ?? []).filter(({ stem }) => isWithinCap(initName(stem), maxRung));
}

/** Index of the segment that is on at a time; the last one for a time behind the end. */
export function segmentAt(
  { segments, timescale }: Pick<VideoTrack, 'segments' | 'timescale'>,
  seconds: number,
): number {
  // A hair ahead: a position that was computed from ticks finds its own segment again.
  const ticks = seconds * timescale + 0.5;
  return Math.max(
    0,
    segments.findLastIndex(({ startTicks }) => startTicks <= ticks),
  );
}

/** The fragment of the segment that begins with the key frame at or before a time. */
export function keyFragmentAt(track: VideoTrack, segment: number, seconds: number): number {
  const keys = track.segments[segment]?.keyTicks ?? [];
  return Math.max(
    0,
    keys.findLastIndex((tick) => tick <= seconds * track.timescale + 0.5),
  );
}

function named<Track extends { name: string }>(tracks: readonly Track[], name: string): Track {
  const track = tracks.find((one) => one.name === name);
  if (track) return track;
  const names = tracks.map((one) => one.name).join(', ');
  throw new AppError('stream_track_unknown', { detail: `There are: ${names || 'none'}.` });
}
