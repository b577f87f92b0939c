// Generations as an encoder would leave them, whose bytes tell which one and which object they are of: no two
// objects of any two generations are alike.
import { masterPlaylist, mediaPlaylist } from '../../shared/hls.ts';
import type { AudioTrack, ManifestTracks, TrackTimeline, VideoTrack } from '../../shared/manifest-tracks.ts';
import {
  audioStem,
  CERTIFICATE,
  initName,
  MASTER_PLAYLIST,
  playlistName,
  segmentName,
  videoStem,
} from '../../shared/object-keys.ts';
import { sha256Of } from '../support/sha256.ts';

export type PreparedGeneration = {
  name: string;
  /** Everything players fetch of it, by its name, and the hash of each. */
  objects: ReadonlyMap<string, Uint8Array>;
  sha256: ReadonlyMap<string, string>;
};

const TIMESCALE = 1000;

export type GenerationShape = {
  heights: number[];
  segments: number;
  segmentSeconds: number;
  /** Of each video segment; a segment of sound has a tenth. */
  segmentBytes: number;
};

/** @param name what the bytes tell */
export async function prepareGeneration(name: string, shape: GenerationShape): Promise<PreparedGeneration> {
  const tracks = tracksOf(shape);
  const objects = new Map<string, Uint8Array>();
  const say = (object: string, sizeBytes: number) =>
    objects.set(object, bytesThatTell(name + object, sizeBytes));
  const write = (object: string, text: string) => objects.set(object, new TextEncoder().encode(text));
  for (const track of [...tracks.video, ...tracks.audio]) {
    say(initName(track.stem), 100);
    for (const [index, segment] of track.segments.entries())
      say(segmentName(track.stem, index), segment.sizeBytes);
    write(playlistName(track.stem), `${mediaPlaylist(track)}# ${name}\n`);
  }
  write(MASTER_PLAYLIST, `${masterPlaylist(tracks)}# ${name}\n`);
  const sha256 = new Map<string, string>();
  for (const [object, bytes] of objects) sha256.set(object, await sha256Of(bytes));
  return { name, objects, sha256 };
}

/** Stores a generation, its hashes in its certificate. */
export async function storeGeneration(
  bucket: R2Bucket,
  prefix: string,
  { name, objects, sha256 }: PreparedGeneration,
): Promise<void> {
  const certificate = { version: 1, jobId: name, objects: Object.fromEntries(sha256) };
  await Promise.all([
    ...[...objects].map(([object, bytes]) => bucket.put(prefix + object, bytes)),
    bucket.put(prefix + CERTIFICATE, JSON.stringify(certificate)),
  ]);
}

function tracksOf(shape: GenerationShape): ManifestTracks {
  const video = shape.heights.map((height): VideoTrack => {
    const track = timelineOf(videoStem(`${height}p`), 'avc1.64001f', shape, shape.segmentBytes);
    return { ...track, name: `${height}p`, width: height * 2, height, fps: { num: 25, den: 1 } };
  });
  const sound: AudioTrack = {
    ...timelineOf(audioStem('en'), 'mp4a.40.2', shape, Math.ceil(shape.segmentBytes / 10)),
    ...{ name: 'en', language: 'en', label: 'English', channels: 2, sampleRate: 48_000, isDefault: true },
  };
  return { video, audio: [sound], subtitles: [] };
}

function timelineOf(stem: string, codecs: string, shape: GenerationShape, sizeBytes: number): TrackTimeline {
  const durationTicks = shape.segmentSeconds * TIMESCALE;
  const segments = Array.from({ length: shape.segments }, (_, index) => ({
    ...{ sizeBytes, durationTicks, startTicks: index * durationTicks },
  }));
  return { stem, codecs, timescale: TIMESCALE, segments };
}

/** The words first, then bytes that follow from them. */
function bytesThatTell(words: string, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(new TextEncoder().encode(words).subarray(0, sizeBytes));
  let state = [...words].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0, 7);
  for (let at = words.length; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}
