// Which audio renditions a source's tracks become.
import { languageLabel, languageTag } from './language.ts';
import type { PlannedAudio } from './plan.ts';
import type { SourceAudio } from './source-info.ts';

export function planAudio(tracks: SourceAudio[]): PlannedAudio[] {
  // One rendition per language: the default track of a language, else its first.
  const byLanguage = new Map<string, SourceAudio>();
  for (const track of tracks) {
    const language = languageTag(track.language);
    const held = byLanguage.get(language);
    if (!held || (track.isDefault && !held.isDefault)) byLanguage.set(language, { ...track, language });
  }
  const chosen = [...byLanguage.values()];
  const defaultTrack = chosen.find((track) => track.isDefault) ?? chosen[0];
  return chosen.map((track) => {
    const channels = Math.min(2, track.channels);
    return {
      name: track.language,
      streamIndex: track.streamIndex,
      language: track.language,
      label: track.label ?? languageLabel(track.language),
      channels,
      bitrateBps: channels === 1 ? 64_000 : 128_000,
      isCopied: isCopyableAudio(track),
      isDefault: track === defaultTrack,
    };
  });
}

function isCopyableAudio(track: SourceAudio): boolean {
  const isPlayableRate = track.sampleRate === 44_100 || track.sampleRate === 48_000;
  return track.codec === 'aac' && track.profile === 'LC' && track.channels === 2 && isPlayableRate;
}
