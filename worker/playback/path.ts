// The path of a playback URL, `/p/{token}/{objectKey}`. Read from the raw pathname and never decoded: our keys
// need no escapes, so whatever carries one is not ours.
import {
  CHAPTERS,
  DASH_MANIFEST,
  keyNumberIn,
  MASTER_PLAYLIST,
  POSTER,
  PREVIEW,
  PROGRESSIVE,
  STORYBOARD,
  VIDEO_STEM_PATTERN,
} from '../../shared/object-keys.ts';
import { PROGRESSIVE_RUNG } from '../../shared/progressive.ts';

export type MediaPath = { token: string; key: string };

/** Token and key of a pathname; undefined where there is no room for both. */
export function splitMediaPath(pathname: string): MediaPath | undefined {
  const match = /^\/p\/([^/]+)\/(.+)$/.exec(pathname);
  return match ? { token: match[1]!, key: match[2]! } : undefined;
}

/**
 * The name inside the generation, or undefined where the key lies outside `prefix`. Only keys in canonical
 * spelling lie inside: one object, one path, one cache entry.
 */
export function nameUnder(prefix: string, key: string): string | undefined {
  const isCanonical = /^[A-Za-z0-9_./-]+$/.test(key) && !key.includes('..') && !key.includes('//');
  if (!isCanonical || !prefix.endsWith('/') || !key.startsWith(prefix)) return undefined;
  return key.slice(prefix.length);
}

const FIXED_NAMES: ReadonlySet<string> = new Set([
  MASTER_PLAYLIST,
  DASH_MANIFEST,
  POSTER,
  STORYBOARD,
  PREVIEW,
  CHAPTERS,
  PROGRESSIVE,
]);
const TRACK_FILE = new RegExp(
  `^(?:${VIDEO_STEM_PATTERN}|audio_[A-Za-z0-9_-]{1,64})(?:\\.m3u8|_init\\.mp4|_\\d{3,6}\\.m4s)$`,
);
const PICTURE_FILE = new RegExp(`^(?:${VIDEO_STEM_PATTERN}_iframes\\.m3u8|thumb_\\d{3,6}\\.jpg)$`);

const TEXT_FILE = /^subtitles_[A-Za-z0-9_-]{1,64}\.(?:vtt|m3u8)$/;
/** Manifests that know of subtitles which came later. */
const REVISED_MANIFEST = /^(?:master_r[1-9]\d{0,8}\.m3u8|manifest_r[1-9]\d{0,8}\.mpd)$/;

/** Whether viewers may read a file of this name: what a player needs, and not, say, the certificate. */
export function isMediaName(name: string): boolean {
  return (
    [TRACK_FILE, PICTURE_FILE, TEXT_FILE, REVISED_MANIFEST].some((form) => form.test(name)) ||
    FIXED_NAMES.has(name) ||
    keyNumberIn(name) !== undefined
  );
}

export function isPlaylistName(name: string): boolean {
  return name.endsWith('.m3u8');
}

/** `stream_720p_003.m4s` belongs to rung 720; undefined for a file of no video rung. */
export function rungOf(name: string): number | undefined {
  if (name === PROGRESSIVE) return PROGRESSIVE_RUNG;
  const digits = /^stream_(\d{1,4})p(?:[._-]|$)/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
