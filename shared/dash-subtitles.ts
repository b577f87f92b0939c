// The adaptation sets of subtitles: one WebVTT file each, for the whole duration. Pure.
import type { SubtitleTrack } from './manifest-tracks.ts';
import { subtitleName } from './object-keys.ts';
import { accessibility, element, escaped, role } from './xml.ts';

/** Lines of the sets, indented for a Period. The first one's id is `firstId`. */
export function subtitleSets(
  subtitles: readonly SubtitleTrack[],
  firstId: number,
  durationSeconds: number,
): string[] {
  return subtitles.flatMap((track, index) => {
    const set = { id: firstId + index, contentType: 'text', mimeType: 'text/vtt', lang: track.language };
    const bandwidth = Math.max(1, Math.ceil((track.sizeBytes * 8) / durationSeconds));
    return [
      `    ${element('AdaptationSet', set)}`,
      `      <Label>${escaped(track.label)}</Label>`,
      ...(track.isCaptions ? [accessibility(2)] : []),
      ...rolesOf(track).map(role),
      `      ${element('Representation', { id: track.stem, bandwidth })}`,
      `        <BaseURL>${subtitleName(track.stem)}</BaseURL>`,
      '      </Representation>',
      '    </AdaptationSet>',
    ];
  });
}

function rolesOf({ isForced, isCaptions, isDefault }: SubtitleTrack): string[] {
  const kind = isForced ? 'forced-subtitle' : isCaptions ? 'caption' : 'subtitle';
  return isDefault ? [kind, 'main'] : [kind];
}
