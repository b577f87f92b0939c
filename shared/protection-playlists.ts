// HLS of a generation under Common Encryption, written from the tracks that its MPD was written from. Only a
// deployment with a vendor has any: ClearKey has no common spelling here (docs/protection.md).
import { masterPlaylist, mediaPlaylist, subtitlePlaylist } from './hls.ts';
import { longestSeconds, type ManifestTracks, type TrackTimeline } from './manifest-tracks.ts';
import { playlistName } from './object-keys.ts';
import { keyAttributes, type OfferedSystem } from './protection-systems.ts';

const MASTER_NAME = /^master(?:_r\d+)?\.m3u8$/;

/** The list of this name; undefined where the tracks have none, are not protected so, or nobody issues licences. */
export function protectedPlaylist(
  tracks: ManifestTracks,
  name: string,
  { systems, contentId }: { systems: readonly OfferedSystem[]; contentId: string },
): string | undefined {
  const { video, audio, subtitles, protection } = tracks;
  if (protection?.scheme !== 'cenc') return undefined;
  const keys = keyAttributes(systems, { keyId: protection.keyId, contentId });
  if (keys.length === 0) return undefined;
  if (MASTER_NAME.test(name)) {
    // Key pictures are encrypted with the rest: no I-frame lists.
    const master = masterPlaylist({ ...tracks, video: video.map(withoutKeyRanges) });
    return withLines(master, '#EXT-X-INDEPENDENT-SEGMENTS', 'EXT-X-SESSION-KEY', keys);
  }
  const track = [...video, ...audio].find(({ stem }) => playlistName(stem) === name);
  if (track) {
    // One number for all lists (Apple's HLS authoring specification, 8.13).
    const targetSeconds = Math.max(...[...video, ...audio].map(longestSegmentSeconds));
    return withLines(mediaPlaylist(track, Math.ceil(targetSeconds)), '#EXT-X-MAP:', 'EXT-X-KEY', keys);
  }
  const subtitle = subtitles.find(({ stem }) => playlistName(stem) === name);
  return subtitle && subtitlePlaylist(subtitle.stem, longestSeconds([...video, ...audio]));
}

/** The playlist with a line for each key behind the one that begins with `after`. */
function withLines(playlist: string, after: string, tag: string, keys: readonly string[]): string {
  return playlist
    .split('\n')
    .flatMap((line) => (line.startsWith(after) ? [line, ...keys.map((key) => `#${tag}:${key}`)] : [line]))
    .join('\n');
}

function withoutKeyRanges<T extends TrackTimeline>(track: T): T {
  return { ...track, segments: track.segments.map(({ keyRanges: _, ...segment }) => segment) };
}

function longestSegmentSeconds({ segments, timescale }: TrackTimeline): number {
  return Math.max(...segments.map(({ durationTicks }) => durationTicks / timescale));
}
