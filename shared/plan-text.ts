// Which of a source's subtitles become WebVTT renditions, and under which names.
import { plainTitle } from './cue-text.ts';
import { languageLabel, languageTag } from './language.ts';
import type { PlannedSubtitle } from './plan.ts';
import type { SourceInfo, SourceSubtitle } from './source-info.ts';
import type { Warning } from './warnings.ts';

const MAX_TRACKS = 20;
const MAX_LABEL_CHARS = 80;

/** Names are `en`, `en_forced`, `en_captions`, and with a number where there is another of the same kind. */
export function planSubtitles(tracks: readonly SourceSubtitle[]): PlannedSubtitle[] {
  const taken = new Set<string>();
  const kept = tracks.slice(0, MAX_TRACKS);
  const defaultTrack = kept.find(({ isDefault }) => isDefault);
  return kept.map((track) => {
    const language = languageTag(track.language);
    const kind = track.isForced ? '_forced' : track.isCaptions ? '_captions' : '';
    let name = language + kind;
    for (let number = 2; taken.has(name); number++) name = `${language}${kind}_${number}`;
    taken.add(name);
    return {
      name,
      streamIndex: track.streamIndex,
      codec: track.codec,
      language,
      label: plainTitle(track.label, MAX_LABEL_CHARS) ?? subtitleLabel(language, track),
      isDefault: track === defaultTrack,
      isForced: track.isForced,
      isCaptions: track.isCaptions,
    };
  });
}

/** What a track without a title of its own is called. */
export function subtitleLabel(
  language: string,
  { isForced, isCaptions }: { isForced: boolean; isCaptions: boolean },
): string {
  const label = language === 'und' ? 'Subtitles' : languageLabel(language);
  if (isForced) return `${label} (forced)`;
  return isCaptions ? `${label} (captions)` : label;
}

/** Subtitles that are left out, in a sentence for a person. */
export function subtitleWarnings({ subtitles = [], unreadableSubtitles = 0 }: SourceInfo): Warning[] {
  const left = Math.max(0, subtitles.length - MAX_TRACKS);
  const sentences = [
    ...(unreadableSubtitles > 0
      ? [`${countOf(unreadableSubtitles)} left out: made of pictures, or in a form that cannot be read.`]
      : []),
    ...(left > 0 ? [`${countOf(left)} left out: a video keeps ${MAX_TRACKS}.`] : []),
  ];
  return sentences.map((detail) => ({ code: 'subtitle_track_dropped', detail }));
}

function countOf(tracks: number): string {
  return tracks === 1 ? '1 subtitle track was' : `${tracks} subtitle tracks were`;
}
