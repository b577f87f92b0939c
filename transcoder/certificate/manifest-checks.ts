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
  const sounds = soundGroups(audio);
  const paired = sounds.flatMap((sound) =>
    video.map((track) => {
      const found = master.variants.find(
        ({ uri, attributes }) => uri === playlistName(track.stem) && attributes.AUDIO === sound.id,
      );
      return { track, sound: sound.tracks, variant: found?.attributes ?? {} };
    }),
  );
  if (video.length === 0) checkSoundVariants(list, sounds, master);
  list.each('variants-complete', paired, ({ track, variant }) =>
    Object.keys(variant).length > 0 && master.variants.length === paired.length
      ? undefined
      : `the master lists ${master.variants.length} variants; ${track.stem} is one of ${paired.length}`,
  );
  list.each('variant-codecs', paired, ({ track, sound, variant }) => {
    const codecs = [track.codecs, ...new Set(sound.map((one) => one.codecs))].join();
    return variant.CODECS === codecs
      ? undefined
      : `${track.stem} says ${variant.CODECS}, the bytes are ${codecs}`;
  });
  list.each('bandwidth-covers-peak', paired, ({ track, sound, variant }) => {
    const peak = peakBps(track) + Math.max(0, ...sound.map(peakBps));
    return Number(variant.BANDWIDTH) >= Math.floor(peak)
      ? undefined
      : `${track.stem} says ${variant.BANDWIDTH} bit/s, its peak is ${Math.ceil(peak)}`;
  });
  list.each('average-bandwidth-measured', paired, ({ track, sound, variant }) => {
    const average = averageBps(track) + Math.max(0, ...sound.map(averageBps));
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
  checkSound(list, sounds, master);
}

/** Without pictures each group is a variant, and its list that of the default track. */
function checkSoundVariants(list: Checklist, sounds: SoundGroup[], { variants }: ReadMaster): void {
  list.each('sound-variants', sounds, ({ id, tracks }) => {
    const found = variants.find(({ attributes }) => attributes.AUDIO === id);
    const main = tracks.find(({ isDefault }) => isDefault) ?? tracks[0];
    const codecs = [...new Set(tracks.map((one) => one.codecs))].join();
    const isRight =
      main &&
      variants.length === sounds.length &&
      found?.uri === playlistName(main.stem) &&
      found.attributes.CODECS === codecs &&
      found.attributes.RESOLUTION === undefined &&
      Number(found.attributes.BANDWIDTH) >= Math.floor(Math.max(...tracks.map(peakBps))) &&
      isNear(Number(found.attributes['AVERAGE-BANDWIDTH']), Math.max(...tracks.map(averageBps)), 3);
    return isRight ? undefined : `the variant of the group ${id} is missing or says what its sound is not`;
  });
}

type SoundGroup = { id: string | undefined; tracks: FinishedAudio[] };

/** Stereo, then the same with surround sound in its place; no group where there is no sound. */
function soundGroups(audio: FinishedAudio[]): SoundGroup[] {
  const stereo = audio.filter(({ surroundOf }) => surroundOf === undefined);
  if (stereo.length === 0) return [{ id: undefined, tracks: [] }];
  const surround = stereo.map((one) => audio.find(({ surroundOf }) => surroundOf === one.name) ?? one);
  const groups = [{ id: 'audio', tracks: stereo }];
  return stereo.length < audio.length ? [...groups, { id: 'surround', tracks: surround }] : groups;
}

function checkSound(list: Checklist, sounds: SoundGroup[], { media }: ReadMaster): void {
  const members = sounds.flatMap(({ id, tracks }) => tracks.map((track) => ({ id, track })));
  const listedIn = (id: string | undefined) =>
    media.filter((one) => one.TYPE === 'AUDIO' && one['GROUP-ID'] === id);
  list.each('audio-listed', members, ({ id, track }) => {
    const listed = listedIn(id).find(({ URI }) => URI === playlistName(track.stem));
    return listed?.CHANNELS === String(track.channels)
      ? undefined
      : `${track.stem} is not in the group of every variant, with its channels`;
  });
  const namesOf = (id: string | undefined) => listedIn(id).map(({ NAME }) => NAME);
  list.each('audio-groups-alike', sounds, ({ id }) => {
    const isAlike = namesOf(id).join('\n') === namesOf(sounds[0]!.id).join('\n');
    const defaults = listedIn(id).filter(({ DEFAULT }) => DEFAULT === 'YES').length;
    return isAlike && new Set(namesOf(id)).size === namesOf(id).length && defaults <= 1
      ? undefined
      : `the group ${id} has other names than its neighbour, a name twice, or two defaults`;
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
