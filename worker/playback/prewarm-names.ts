// What players load of a generation to begin: its manifests, and of every rung and sound the list, the init segment
// and the segments of the first seconds.
import type { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { dashName, initName, masterName, playlistName, segmentName } from '../../shared/object-keys.ts';
import { manifestsOf } from '../../shared/protection.ts';

export function openingNames(tracks: ManifestTracks, seconds: number, manifestRevision: number): string[] {
  const { hls, dash } = manifestsOf(tracks.protection?.scheme);
  const all = [...tracks.video, ...tracks.audio];
  return [
    ...(hls ? [masterName(manifestRevision)] : []),
    ...(dash ? [dashName(manifestRevision)] : []),
    ...all.flatMap(({ stem }) => [...(hls ? [playlistName(stem)] : []), initName(stem)]),
    // By time, not by track: whoever presses play while this runs finds the beginning warm.
    ...all
      .flatMap(({ stem, timescale, segments }) =>
        segments.map(({ startTicks }, index) => ({
          name: segmentName(stem, index),
          startSeconds: (startTicks - segments[0]!.startTicks) / timescale,
        })),
      )
      .filter(({ startSeconds }) => startSeconds < seconds)
      .sort((a, b) => a.startSeconds - b.startSeconds)
      .map(({ name }) => name),
  ];
}
