// EXT-X-KEY lines of media playlists (RFC 8216 §4.3.2.4).
import { keyName } from './object-keys.ts';
import { keyNumberOf, type PlannedProtection } from './protection.ts';

/**
 * The line that stands before segment `index`, where its key is another than the one before. Without an IV
 * attribute the IV is the segment's sequence number. It comes after EXT-X-MAP, which it therefore does not cover.
 */
export function keyLine(protection: PlannedProtection | undefined, index: number): string[] {
  if (protection?.scheme !== 'aes-128') return [];
  const key = keyNumberOf(protection, index);
  if (index > 0 && key === keyNumberOf(protection, index - 1)) return [];
  return [`#EXT-X-KEY:METHOD=AES-128,URI="${keyName(key)}"`];
}
