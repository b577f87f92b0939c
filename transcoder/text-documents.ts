// The text a generation holds beside its manifests: subtitles with their playlists, chapters, and the tracks that
// the manifests were written from, so that subtitles can be added later.
import { chaptersVtt } from '../shared/chapters.ts';
import { subtitlePlaylist } from '../shared/hls.ts';
import { longestSeconds, ManifestTracks } from '../shared/manifest-tracks.ts';
import { CHAPTERS, playlistName, subtitleName, TRACKS } from '../shared/object-keys.ts';
import type { Plan } from '../shared/plan.ts';
import type { Document } from './task-context.ts';
import type { FinishedTracks } from './tracks.ts';

export function textDocuments(plan: Plan, tracks: FinishedTracks): Document[] {
  const seconds = longestSeconds([...tracks.video, ...tracks.audio]);
  const chapters = chaptersVtt(plan.chapters ?? [], seconds);
  return [
    ...tracks.subtitles.flatMap(({ stem, vtt }) => [
      { name: subtitleName(stem), body: vtt },
      { name: playlistName(stem), body: subtitlePlaylist(stem, seconds) },
    ]),
    ...(chapters === undefined ? [] : [{ name: CHAPTERS, body: chapters }]),
    { name: TRACKS, body: JSON.stringify(ManifestTracks.parse(tracks)) },
  ];
}
