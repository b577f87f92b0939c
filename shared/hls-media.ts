// The EXT-X-MEDIA lines of a master playlist: sound in one group or two, and subtitles. Pure.
import type { AudioTrack, SubtitleTrack } from './manifest-tracks.ts';
import { playlistName } from './object-keys.ts';

export const SUBTITLE_GROUP = 'subtitles';

/** Variants refer to a group; players choose among its members by language. */
export type AudioGroup = { id: string; members: { track: AudioTrack; name: string }[] };

/**
 * Stereo, then surround where there is any. All groups must have the same members by name, so a language without
 * surround sound stands in both with its stereo track.
 */
export function audioGroups(audio: readonly AudioTrack[]): AudioGroup[] {
  const stereo = audio.filter(({ surroundOf }) => surroundOf === undefined);
  if (stereo.length === 0) return [];
  const named = stereo.map((track) => ({ track, name: uniqueName(track, stereo) }));
  const surroundOf = (name: string) => audio.find((track) => track.surroundOf === name);
  const surround = named.map(({ track, name }) => ({ track: surroundOf(track.name) ?? track, name }));
  return [
    { id: 'audio', members: named },
    ...(stereo.length < audio.length ? [{ id: 'surround', members: surround }] : []),
  ];
}

export function audioLines({ id, members }: AudioGroup): string[] {
  return members.map(({ track, name }) =>
    mediaLine([
      'TYPE=AUDIO',
      `GROUP-ID=${quoted(id)}`,
      `NAME=${quoted(name)}`,
      ...languageOf(track),
      `DEFAULT=${yesNo(track.isDefault)}`,
      // A player that follows the viewer's language must not end up with people talking over the film.
      `AUTOSELECT=${yesNo(track.purpose !== 'commentary')}`,
      ...(track.purpose === 'description' ? ['CHARACTERISTICS="public.accessibility.describes-video"'] : []),
      `CHANNELS=${quoted(String(track.channels))}`,
      `URI=${quoted(playlistName(track.stem))}`,
    ]),
  );
}

const CAPTIONS =
  'CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"';

export function subtitleLines(subtitles: readonly SubtitleTrack[]): string[] {
  const chosen = selectable(subtitles);
  return subtitles.map((track) =>
    mediaLine([
      'TYPE=SUBTITLES',
      `GROUP-ID=${quoted(SUBTITLE_GROUP)}`,
      `NAME=${quoted(uniqueName(track, subtitles))}`,
      ...languageOf(track),
      `DEFAULT=${yesNo(track.isDefault)}`,
      `AUTOSELECT=${yesNo(chosen.has(track))}`,
      `FORCED=${yesNo(track.isForced)}`,
      ...(track.isCaptions ? [CAPTIONS] : []),
      `URI=${quoted(playlistName(track.stem))}`,
    ]),
  );
}

/**
 * Those that a player may choose by itself: of tracks that tell it the same about themselves only one
 * (draft-pantos-hls-rfc8216bis §4.4.6.1.1), the default or else the first.
 */
function selectable(subtitles: readonly SubtitleTrack[]): Set<SubtitleTrack> {
  const byKind = new Map<string, SubtitleTrack>();
  for (const track of subtitles) {
    const kind = [track.language, track.isForced, track.isCaptions].join();
    if (track.isDefault || !byKind.has(kind)) byKind.set(kind, track);
  }
  return new Set(byKind.values());
}

/** A quoted-string holds no quote, line feed or carriage return, and knows no escapes. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/[\p{Cc}"]/gu, ' ').trim()}"`;
}

/** NAME must be unique in its group. */
function uniqueName<T extends { label: string; name: string }>(track: T, group: readonly T[]): string {
  const isShared = group.some((other) => other !== track && other.label === track.label);
  return isShared ? `${track.label} (${track.name})` : track.label;
}

function languageOf({ language }: { language: string }): string[] {
  return language === 'und' ? [] : [`LANGUAGE=${quoted(language)}`];
}

function yesNo(value: boolean): string {
  return value ? 'YES' : 'NO';
}

function mediaLine(attributes: string[]): string {
  return `#EXT-X-MEDIA:${attributes.join(',')}`;
}
