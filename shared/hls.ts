// HLS playlists (RFC 8216) as text, from measured tracks. Pure.
import { measureBitrates, withAudio } from './bitrates.ts';
import { byCodecFamily } from './codec-string.ts';
import { iframeVariant } from './hls-iframes.ts';
import { keyLine } from './hls-keys.ts';
import {
  type AudioGroup,
  audioGroups,
  audioLines,
  quoted,
  SUBTITLE_GROUP,
  subtitleLines,
} from './hls-media.ts';
import { soundVariants } from './hls-sound.ts';
import type { ManifestTracks, TrackTimeline, VideoTrack } from './manifest-tracks.ts';
import { initName, playlistName, segmentName, subtitleName } from './object-keys.ts';
import type { PlannedProtection } from './protection.ts';
import { framesPerSecond } from './timeline.ts';

/** fMP4 segments with EXT-X-MAP need version 6, INDEPENDENT-SEGMENTS in media playlists is older; 7 is what
 * Apple's tools expect of CMAF. */
const VERSION = 7;

/**
 * AVPlayer and hls.js begin with the first variant of the list, whatever it is. The first is therefore the best
 * one that an ordinary connection carries at once; the others follow ascending. Other players do not care.
 */
const START_BANDWIDTH_BPS = 2_000_000;

const MICROSECONDS = 1_000_000;

export function masterPlaylist({ video, audio, subtitles }: ManifestTracks): string {
  const groups = audioGroups(audio);
  // The same for all groups: hls.js then takes the two variants of a rung for one with a choice of sound, where it
  // would else climb from stereo to surround sound as if that were a better picture.
  const soundBps = Math.max(0, ...audio.map((track) => measureBitrates(track).peakBps));
  const variantsOf = (tracks: VideoTrack[], group: AudioGroup | undefined) =>
    tracks.map((track) => variant(track, group, soundBps, subtitles.length > 0));
  const [ladder = [], ...otherCodecs] = byCodecFamily(video);
  const [first, ...others] = groups;
  return lines([
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...groups.flatMap(audioLines),
    ...subtitleLines(subtitles),
    // Stereo and H.264 first: what everything plays is what players begin with.
    ...startFirst(variantsOf(ladder, first)).flatMap(({ text }) => text),
    ...others.flatMap((group) => ascending(variantsOf(ladder, group)).flatMap(({ text }) => text)),
    ...otherCodecs.flatMap((tracks) =>
      [first, ...others].flatMap((group) => ascending(variantsOf(tracks, group)).flatMap(({ text }) => text)),
    ),
    ...video.flatMap((track) => iframeVariant(track) ?? []),
    ...(video.length === 0 ? soundVariants(groups) : []),
  ]);
}

/**
 * The finished playlist of one track.
 *
 * @param targetSeconds TARGETDURATION at least: what a list that grew under the same name has said.
 */
export function mediaPlaylist(
  track: TrackTimeline,
  targetSeconds = 0,
  protection?: PlannedProtection,
): string {
  const durations = segmentMicroseconds(track);
  const longest = Math.max(...durations);
  return lines([
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    // No EXTINF, rounded to the nearest second, may be above it; rounding up keeps that for any of them.
    `#EXT-X-TARGETDURATION:${Math.max(targetSeconds, Math.ceil(longest / MICROSECONDS))}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    `#EXT-X-MAP:URI="${initName(track.stem)}"`,
    ...durations.flatMap((duration, index) => [
      ...keyLine(protection, index),
      `#EXTINF:${(duration / MICROSECONDS).toFixed(6)},`,
      segmentName(track.stem, index),
    ]),
    '#EXT-X-ENDLIST',
  ]);
}

/** The playlist of subtitles: the whole file is its one segment. */
export function subtitlePlaylist(stem: string, durationSeconds: number): string {
  return lines([
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    `#EXT-X-TARGETDURATION:${Math.ceil(durationSeconds)}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    `#EXTINF:${durationSeconds.toFixed(6)},`,
    subtitleName(stem),
    '#EXT-X-ENDLIST',
  ]);
}

/** Whole microseconds that add up: each is the difference of two rounded points in time, so nothing drifts. */
export function segmentMicroseconds({
  timescale,
  segments,
}: {
  timescale: number;
  segments: readonly { durationTicks: number }[];
}): number[] {
  const at = (ticks: number) => Math.round((ticks * MICROSECONDS) / timescale);
  let ticks = 0;
  return segments.map(({ durationTicks }) => {
    const start = at(ticks);
    ticks += durationTicks;
    return at(ticks) - start;
  });
}

type Variant = { bandwidthBps: number; text: string[] };

function variant(
  track: VideoTrack,
  sound: AudioGroup | undefined,
  soundBps: number,
  hasSubtitles: boolean,
): Variant {
  const audio = (sound?.members ?? []).map((member) => member.track);
  const { averageBps } = withAudio(measureBitrates(track), audio.map(measureBitrates));
  const bandwidthBps = measureBitrates(track).peakBps + soundBps;
  const codecs = [track.codecs, ...new Set(audio.map((one) => one.codecs))].join(',');
  const attributes = [
    `BANDWIDTH=${bandwidthBps}`,
    `AVERAGE-BANDWIDTH=${averageBps}`,
    `CODECS=${quoted(codecs)}`,
    `RESOLUTION=${track.width}x${track.height}`,
    `FRAME-RATE=${framesPerSecond(track.fps).toFixed(3)}`,
    ...(sound ? [`AUDIO=${quoted(sound.id)}`] : []),
    ...(hasSubtitles ? [`SUBTITLES=${quoted(SUBTITLE_GROUP)}`] : []),
  ];
  const text = [`#EXT-X-STREAM-INF:${attributes.join(',')}`, playlistName(track.stem)];
  return { bandwidthBps, text };
}

function startFirst(variants: Variant[]): Variant[] {
  const sorted = ascending(variants);
  const start = sorted.findLast(({ bandwidthBps }) => bandwidthBps <= START_BANDWIDTH_BPS) ?? sorted[0];
  return start ? [start, ...sorted.filter((one) => one !== start)] : [];
}

function ascending(variants: Variant[]): Variant[] {
  return variants.toSorted((a, b) => a.bandwidthBps - b.bandwidthBps);
}

function lines(all: string[]): string {
  return `${all.join('\n')}\n`;
}
