// The variants of a presentation without pictures (RFC 8216 §4.3.4.2): one per group of sound, whose list is that of
// the group's default track.
import { measureBitrates } from './bitrates.ts';
import { type AudioGroup, quoted } from './hls-media.ts';
import { playlistName } from './object-keys.ts';

export function soundVariants(groups: readonly AudioGroup[]): string[] {
  return groups.flatMap(({ id, members }) => {
    const tracks = members.map(({ track }) => track);
    const main = tracks.find(({ isDefault }) => isDefault) ?? tracks[0];
    if (!main) return [];
    const rates = tracks.map(measureBitrates);
    const attributes = [
      `BANDWIDTH=${Math.max(...rates.map(({ peakBps }) => peakBps))}`,
      `AVERAGE-BANDWIDTH=${Math.max(...rates.map(({ averageBps }) => averageBps))}`,
      `CODECS=${quoted([...new Set(tracks.map(({ codecs }) => codecs))].join(','))}`,
      `AUDIO=${quoted(id)}`,
    ];
    return [`#EXT-X-STREAM-INF:${attributes.join(',')}`, playlistName(main.stem)];
  });
}
