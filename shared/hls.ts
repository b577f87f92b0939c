// HLS playlists (RFC 8216) as text, from measured tracks. Pure.
import { measureBitrates, withAudio } from './bitrates.ts';
import type { AudioTrack, ManifestTracks, TrackTimeline, VideoTrack } from './manifest-tracks.ts';
import { initName, playlistName, segmentName } from './object-keys.ts';
import { framesPerSecond } from './timeline.ts';

/** fMP4 segments with EXT-X-MAP need version 6, INDEPENDENT-SEGMENTS in media playlists is older; 7 is what
 * Apple's tools expect of CMAF. */
const VERSION = 7;
const AUDIO_GROUP = 'audio';

/**
 * AVPlayer and hls.js begin with the first variant of the list, whatever it is. The first is therefore the best
 * one that an ordinary connection carries at once; the others follow ascending. Other players do not care.
 */
const START_BANDWIDTH_BPS = 2_000_000;

const MICROSECONDS = 1_000_000;

export function masterPlaylist({ video, audio }: ManifestTracks): string {
  return lines([
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...audio.map((track) => audioLine(track, audio)),
    ...startFirst(video.map((track) => variant(track, audio))).flatMap(({ text }) => text),
  ]);
}

/** The finished playlist of one track. */
export function mediaPlaylist(track: TrackTimeline): string {
  const durations = segmentMicroseconds(track);
  const longest = Math.max(...durations);
  return lines([
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    // No EXTINF, rounded to the nearest second, may be above it; rounding up keeps that for any of them.
    `#EXT-X-TARGETDURATION:${Math.ceil(longest / MICROSECONDS)}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    `#EXT-X-MAP:URI="${initName(track.stem)}"`,
    ...durations.flatMap((duration, index) => [
      `#EXTINF:${(duration / MICROSECONDS).toFixed(6)},`,
      segmentName(track.stem, index),
    ]),
    '#EXT-X-ENDLIST',
  ]);
}

/** Whole microseconds that add up: each is the difference of two rounded points in time, so nothing drifts. */
export function segmentMicroseconds({ timescale, segments }: TrackTimeline): number[] {
  const at = (ticks: number) => Math.round((ticks * MICROSECONDS) / timescale);
  let ticks = 0;
  return segments.map(({ durationTicks }) => {
    const start = at(ticks);
    ticks += durationTicks;
    return at(ticks) - start;
  });
}

type Variant = { bandwidthBps: number; text: string[] };

function variant(track: VideoTrack, audio: readonly AudioTrack[]): Variant {
  const rates = withAudio(measureBitrates(track), audio.map(measureBitrates));
  const codecs = [track.codecs, ...new Set(audio.map((sound) => sound.codecs))].join(',');
  const attributes = [
    `BANDWIDTH=${rates.peakBps}`,
    `AVERAGE-BANDWIDTH=${rates.averageBps}`,
    `CODECS=${quoted(codecs)}`,
    `RESOLUTION=${track.width}x${track.height}`,
    `FRAME-RATE=${framesPerSecond(track.fps).toFixed(3)}`,
    ...(audio.length > 0 ? [`AUDIO=${quoted(AUDIO_GROUP)}`] : []),
  ];
  const text = [`#EXT-X-STREAM-INF:${attributes.join(',')}`, playlistName(track.stem)];
  return { bandwidthBps: rates.peakBps, text };
}

function startFirst(variants: Variant[]): Variant[] {
  const ascending = variants.toSorted((a, b) => a.bandwidthBps - b.bandwidthBps);
  const start = ascending.findLast(({ bandwidthBps }) => bandwidthBps <= START_BANDWIDTH_BPS) ?? ascending[0];
  return start ? [start, ...ascending.filter((one) => one !== start)] : [];
}

function audioLine(track: AudioTrack, group: readonly AudioTrack[]): string {
  // NAME must be unique in its group.
  const isShared = group.some((other) => other !== track && other.label === track.label);
  const attributes = [
    'TYPE=AUDIO',
    `GROUP-ID=${quoted(AUDIO_GROUP)}`,
    `NAME=${quoted(isShared ? `${track.label} (${track.name})` : track.label)}`,
    ...(track.language === 'und' ? [] : [`LANGUAGE=${quoted(track.language)}`]),
    `DEFAULT=${track.isDefault ? 'YES' : 'NO'}`,
    'AUTOSELECT=YES',
    `CHANNELS=${quoted(String(track.channels))}`,
    `URI=${quoted(playlistName(track.stem))}`,
  ];
  return `#EXT-X-MEDIA:${attributes.join(',')}`;
}

/** A quoted-string holds no quote, line feed or carriage return, and knows no escapes. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[\p{Cc}"]/gu, ' ').trim()}"`;
}

function lines(all: string[]): string {
  return `${all.join('\n')}\n`;
}
