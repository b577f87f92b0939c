// Codec names as playlists and MPDs carry them (RFC 6381).
import { toHex } from './sign.ts';

/**
 * @param record an avcC record or the payload of an SPS unit: profile, compatibility and level follow its first byte
 * @param entry the name of the sample entry
 */
export function avcCodecString(record: Uint8Array, entry = 'avc1'): string {
  return `${entry}.${toHex(record.subarray(1, 4))}`;
}
