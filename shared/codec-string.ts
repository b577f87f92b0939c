// Codec names as playlists and MPDs carry them (RFC 6381).
import { toHex } from './sign.ts';

/** Renditions by the sample entry their codec string names (`avc1`, `hvc1`, `av01`): those that can follow each other. */
export function byCodecFamily<Track extends { codecs: string }>(tracks: readonly Track[]): Track[][] {
  return [...Map.groupBy(tracks, ({ codecs }) => codecs.split('.')[0]).values()];
}

/**
 * @param record an avcC record or the payload of an SPS unit: profile, compatibility and level follow its first byte
 * @param entry the name of the sample entry
 */
export function avcCodecString(record: Uint8Array, entry = 'avc1'): string {
  return `${entry}.${toHex(record.subarray(1, 4))}`;
}
