// Which audio renditions a source's tracks become.
import { languageLabel, languageTag } from './language.ts';
import type { PlannedAudio } from './plan.ts';
import type { SourceAudio } from './source-info.ts';

const SURROUND_CHANNELS = 6;
const SURROUND_BITRATE_BPS = 384_000;

/** What phones wrote into 3GP. */
const PACKED_CODECS = new Set(['amr_nb', 'amr_wb']);

type Choice = SourceAudio & { name: string };

/**
 * One stereo rendition per language and purpose, and beside it a surround one where the track has the channels.
 * Sound whose loudness is changed cannot be copied.
 */
export function planAudio(tracks: SourceAudio[], isLoudnessKept = true): PlannedAudio[] {
  const chosen = chosenTracks(tracks);
  const films = chosen.filter(({ purpose }) => purpose === undefined);
  const defaultTrack = films.find((track) => track.isDefault) ?? films[0] ?? chosen[0];
  const planned = chosen.map((track): PlannedAudio => {
    const channels = Math.min(2, track.channels);
    return {
      ...common(track, defaultTrack),
      name: track.name,
      label: labelOf(track),
      channels,
      bitrateBps: channels === 1 ? 64_000 : 128_000,
      isCopied: isLoudnessKept && isCopyable(track, 2),
    };
  });
  const surround = chosen
    .filter(({ channels }) => channels >= SURROUND_CHANNELS)
    .map((track): PlannedAudio => {
      return {
        ...common(track, defaultTrack),
        name: `${track.name}_51`,
        label: `${labelOf(track)} 5.1`,
        channels: SURROUND_CHANNELS,
        bitrateBps: SURROUND_BITRATE_BPS,
        isCopied: isLoudnessKept && isCopyable(track, SURROUND_CHANNELS),
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

function common(track: Choice, defaultTrack: Choice | undefined) {
  return {
    streamIndex: track.streamIndex,
    language: track.language,
    isDefault: track === defaultTrack,
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
