// Which audio renditions a source's tracks become.
import { languageLabel, languageTag } from './language.ts';
import type { PlannedAudio } from './plan.ts';
import type { SourceAudio } from './source-info.ts';

const SURROUND_CHANNELS = 6;
const SURROUND_BITRATE_BPS = 384_000;

/** What phones wrote into 3GP. */
const PACKED_CODECS = new Set(['amr_nb', 'amr_wb']);

type Choice = SourceAudio & { name: string };

/** Players wait for sound that ends earlier than this before the pictures, or take its end for the film's. */
const ENDS_WITH_PICTURES_SECONDS = 0.5;

/**
 * One stereo rendition per language and purpose, and beside it a surround one where the track has the channels.
 * Sound whose loudness is changed, or that silence must follow, cannot be copied.
 *
 * @param filmSeconds How long the pictures last; without any each track ends where it ends.
 */
export function planAudio(
  tracks: SourceAudio[],
  isLoudnessKept = true,
  filmSeconds?: number,
): PlannedAudio[] {
  const isCopied = (track: SourceAudio, channels: number) =>
    isLoudnessKept && isCopyable(track, channels) && !endsEarly(track, filmSeconds);
  const chosen = chosenTracks(tracks);
  const films = chosen.filter(({ purpose }) => purpose === undefined);
  const defaultTrack = films.find((track) => track.isDefault) ?? films[0] ?? chosen[0];
  const planned = chosen.map((track): PlannedAudio => {
    const channels = Math.min(2, track.channels);
    return {
      ...common(track, defaultTrack, filmSeconds),
      name: track.name,
      label: labelOf(track),
      channels,
      bitrateBps: channels === 1 ? 64_000 : 128_000,
      isCopied: isCopied(track, 2),
    };
  });
  const surround = chosen
    .filter(({ channels }) => channels >= SURROUND_CHANNELS)
    .map((track): PlannedAudio => {
      return {
        ...common(track, defaultTrack, filmSeconds),
        name: `${track.name}_51`,
        label: `${labelOf(track)} 5.1`,
        channels: SURROUND_CHANNELS,
        bitrateBps: SURROUND_BITRATE_BPS,
        isCopied: isCopied(track, SURROUND_CHANNELS),
        surroundOf: track.name,
      };
    });
  return [...planned, ...surround];
}

/** Of each language and purpose the default track, else the first. */
function chosenTracks(tracks: SourceAudio[]): Choice[] {
  const byName = new Map<string, Choice>();
  for (const track of tracks) {
    const language = languageTag(track.language);
    const name = track.purpose ? `${language}_${track.purpose}` : language;
    const held = byName.get(name);
    if (!held || (track.isDefault && !held.isDefault)) byName.set(name, { ...track, language, name });
  }
  return [...byName.values()];
}

function endsEarly({ startSeconds, durationSeconds }: SourceAudio, filmSeconds = 0): boolean {
  return startSeconds + durationSeconds < filmSeconds - ENDS_WITH_PICTURES_SECONDS;
}

function common(track: Choice, defaultTrack: Choice | undefined, filmSeconds: number | undefined) {
  return {
    streamIndex: track.streamIndex,
    language: track.language,
    isDefault: track === defaultTrack,
    ...(endsEarly(track, filmSeconds) && { silentUntilSeconds: filmSeconds }),
    ...(PACKED_CODECS.has(track.codec) && { packedFromSeconds: track.startSeconds }),
    ...(track.purpose && { purpose: track.purpose }),
  };
}

const PURPOSE_LABELS = { commentary: 'commentary', description: 'audio description' } as const;

function labelOf(track: Choice): string {
  const label = track.label ?? languageLabel(track.language);
  return track.purpose ? `${label} (${PURPOSE_LABELS[track.purpose]})` : label;
}

function isCopyable(track: SourceAudio, channels: number): boolean {
  const isPlayableRate = track.sampleRate === 44_100 || track.sampleRate === 48_000;
  return track.codec === 'aac' && track.profile === 'LC' && track.channels === channels && isPlayableRate;
}
