// Do the manifests, read back from their text, say what the stored bytes are?
import type { SegmentFacts } from '../../shared/messages.ts';
import { initName, playlistName, segmentName, segmentTemplate } from '../../shared/object-keys.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import type { FinishedAudio, FinishedTracks, FinishedVideo } from '../tracks.ts';
import type { Checklist } from './checklist.ts';
import { type ReadMaster, type ReadRepresentation, readMaster, readMediaPlaylist } from './read-manifests.ts';

/** EXTINF has six decimals, each rounded at both ends. */
const EXTINF_TOLERANCE_SECONDS = 0.000_002;

type Track = FinishedVideo | FinishedAudio;

export function checkPlaylists(
  list: Checklist,
  { video, audio }: FinishedTracks,
  textOf: (name: string) => string,
): void {
  const read = [...video, ...audio].map((track) => ({
    track,
    playlist: readMediaPlaylist(textOf(playlistName(track.stem))),
  }));
  list.each('playlist-closed', read, ({ track, playlist }) =>
    playlist.isVod && playlist.hasEnd ? undefined : `${track.stem} has no VOD type or no ENDLIST`,
  );
  list.each('playlist-uris', read, ({ track, playlist }) => {
    const wanted = [
      initName(track.stem),
      ...track.segments.map(({ index }) => segmentName(track.stem, index)),
    ];
    const named = [playlist.mapUri, ...playlist.segments.map(({ uri }) => uri)];
    return wanted.join() === named.join() ? undefined : `${track.stem} names other objects than its own`;
  });
  list.each('extinf-exact', read, ({ track, playlist }) => {
    const wrong = track.segments.findIndex(
      ({ durationTicks }, index) =>
        !isNear(playlist.segments[index]?.seconds, durationTicks / track.timescale, EXTINF_TOLERANCE_SECONDS),
    );
    return wrong === -1 ? undefined : `${track.stem} segment ${wrong} lasts otherwise than its EXTINF says`;
  });
  list.each('extinf-sum', read, ({ track, playlist }) => {
    const sum = playlist.segments.reduce((total, { seconds }) => total + seconds, 0);
    return isNear(sum, seconds(track), 0.0001)
      ? undefined
      : `${track.stem} adds up to ${sum} s, not ${seconds(track)} s`;
  });
  list.each('target-duration', read, ({ track, playlist }) =>
    playlist.segments.every((segment) => Math.round(segment.seconds) <= playlist.targetSeconds)
      ? undefined
      : `${track.stem} has a segment above its TARGETDURATION`,
  );
}

export function checkMaster(list: Checklist, { video, audio }: FinishedTracks, text: string): void {
  const master: ReadMaster = readMaster(text);
  const paired = video.map((track) => ({
    track,
    variant: master.variants.find(({ uri }) => uri === playlistName(track.stem))?.attributes ?? {},
  }));
  list.each('variants-complete', paired, ({ track, variant }) =>
    Object.keys(variant).length > 0 && master.variants.length === video.length
      ? undefined
      : `the master lists ${master.variants.length} variants; ${track.stem} is one of ${video.length}`,
  );
  const audioCodecs = [...new Set(audio.map(({ codecs }) => codecs))];
  list.each('variant-codecs', paired, ({ track, variant }) => {
    const codecs = [track.codecs, ...audioCodecs].join();
    return variant.CODECS === codecs
      ? undefined
      : `${track.stem} says ${variant.CODECS}, the bytes are ${codecs}`;
  });
  const audioPeak = Math.max(0, ...audio.map(peakBps));
  list.each('bandwidth-covers-peak', paired, ({ track, variant }) => {
    const peak = peakBps(track) + audioPeak;
    return Number(variant.BANDWIDTH) >= Math.floor(peak)
      ? undefined
      : `${track.stem} says ${variant.BANDWIDTH} bit/s, its peak is ${Math.ceil(peak)}`;
  });
  const audioAverage = Math.max(0, ...audio.map(averageBps));
  list.each('average-bandwidth-measured', paired, ({ track, variant }) => {
    const average = averageBps(track) + audioAverage;
    return isNear(Number(variant['AVERAGE-BANDWIDTH']), average, 3)
      ? undefined
      : `${track.stem} says ${variant['AVERAGE-BANDWIDTH']} bit/s, its average is ${Math.ceil(average)}`;
  });
  list.each('variant-picture', paired, ({ track, variant }) => {
    const rate = framesPerSecond(track.fps).toFixed(3);
    return variant.RESOLUTION === `${track.width}x${track.height}` && variant['FRAME-RATE'] === rate
      ? undefined
      : `${track.stem} says ${variant.RESOLUTION} at ${variant['FRAME-RATE']}`;
  });
  list.each('audio-listed', audio, (track) => {
    const listed = master.media.find(({ URI }) => URI === playlistName(track.stem));
    const isGrouped = paired.every(({ variant }) => variant.AUDIO === listed?.['GROUP-ID']);
    return listed && isGrouped && listed.CHANNELS === String(track.channels)
      ? undefined
      : `${track.stem} is not in the group of every variant, with its channels`;
  });
}

export function checkDash(
  list: Checklist,
  { video, audio }: FinishedTracks,
  read: ReadRepresentation[],
): void {
  const tracks: Track[] = [...video, ...audio];
  const paired = tracks.map((track) => ({ track, found: read.find(({ id }) => id === track.stem) }));
  list.each('representations-complete', paired, ({ track, found }) =>
    found && read.length === tracks.length
      ? undefined
      : `the MPD has ${read.length} representations; ${track.stem} is one of ${tracks.length}`,
  );
  list.each('representation-names', paired, ({ track, found }) =>
    found?.initialization === initName(track.stem) && found.media === segmentTemplate(track.stem)
      ? undefined
      : `${track.stem} names other objects than its own`,
  );
  list.each('representation-codecs', paired, ({ track, found }) =>
    found?.attributes.codecs === track.codecs
      ? undefined
      : `${track.stem} says ${found?.attributes.codecs}, the bytes are ${track.codecs}`,
  );
  list.each('representation-bandwidth', paired, ({ track, found }) =>
    Number(found?.attributes.bandwidth) >= Math.floor(peakBps(track))
      ? undefined
      : `${track.stem} understates its peak`,
  );
  list.each('dash-timeline-equals-bytes', paired, ({ track, found }) =>
    found?.timescale === track.timescale && ticksOf(found.segments) === ticksOf(track.segments)
      ? undefined
      : `${track.stem} has another timeline in the MPD than in its segments`,
  );
}

function ticksOf(segments: readonly { startTicks: number; durationTicks: number }[]): string {
  return segments.map(({ startTicks, durationTicks }) => `${startTicks}+${durationTicks}`).join(' ');
}

// Measured here again rather than with the writers' own function.
function peakBps({ timescale, segments }: { timescale: number; segments: readonly SegmentFacts[] }): number {
  return Math.max(...segments.map((one) => (one.sizeBytes * 8 * timescale) / one.durationTicks));
}

function averageBps(track: Track): number {
  return (track.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) * 8) / seconds(track);
}

function seconds({ timescale, segments }: Track): number {
  return segments.reduce((sum, { durationTicks }) => sum + durationTicks, 0) / timescale;
}

function isNear(value: number | undefined, wanted: number, tolerance: number): boolean {
  return value !== undefined && Math.abs(value - wanted) <= tolerance;
}
