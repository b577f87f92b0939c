// I-frame playlists (RFC 8216 §4.3.3.6) for scrubbing: each key picture alone, as a byte range of its segment. Pure.
import type { Bitrates } from './bitrates.ts';
import type { VideoTrack } from './manifest-tracks.ts';
import { iframePlaylistName, initName, segmentName } from './object-keys.ts';

export type KeyPicture = { segment: number; offsetBytes: number; sizeBytes: number; durationTicks: number };

/**
 * Every key picture of a track, each lasting until the next; undefined where its bytes were not measured.
 * A range begins with the moof and ends with the first sample, the form that Apple's own tools write.
 */
export function keyPictures({ segments }: VideoTrack): KeyPicture[] | undefined {
  const pictures: KeyPicture[] = [];
  for (const [segment, { keyTicks, keyRanges, startTicks, durationTicks }] of segments.entries()) {
    if (!keyTicks || keyRanges?.length !== keyTicks.length) return undefined;
    for (const [key, range] of keyRanges.entries()) {
      const untilTicks = keyTicks[key + 1] ?? startTicks + durationTicks;
      pictures.push({ segment, ...range, durationTicks: untilTicks - keyTicks[key]! });
    }
  }
  return pictures.length > 0 ? pictures : undefined;
}

/** Text of the playlist; undefined where the track has none. */
export function iframePlaylist(track: VideoTrack): string | undefined {
  const pictures = keyPictures(track);
  if (!pictures) return undefined;
  const durations = wholeMicroseconds(pictures, track.timescale);
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${Math.ceil(Math.max(...durations) / 1_000_000)}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-I-FRAMES-ONLY',
    `#EXT-X-MAP:URI="${initName(track.stem)}"`,
    ...pictures.flatMap(({ segment, offsetBytes, sizeBytes }, index) => [
      `#EXTINF:${(durations[index]! / 1_000_000).toFixed(6)},`,
      `#EXT-X-BYTERANGE:${sizeBytes}@${offsetBytes}`,
      segmentName(track.stem, segment),
    ]),
    '#EXT-X-ENDLIST',
  ];
  return `${lines.join('\n')}\n`;
}

/** The master's line for it. */
export function iframeVariant(track: VideoTrack): string | undefined {
  const pictures = keyPictures(track);
  if (!pictures) return undefined;
  const { peakBps, averageBps } = iframeBitrates(pictures, track.timescale);
  const attributes = [
    `BANDWIDTH=${peakBps}`,
    `AVERAGE-BANDWIDTH=${averageBps}`,
    `CODECS="${track.codecs}"`,
    `RESOLUTION=${track.width}x${track.height}`,
    `URI="${iframePlaylistName(track.stem)}"`,
  ];
  return `#EXT-X-I-FRAME-STREAM-INF:${attributes.join(',')}`;
}

/**
 * The peak is over runs of at least half the longest picture (RFC 8216 §4.3.4.2), so that a last picture of one
 * frame does not count as a burst.
 */
function iframeBitrates(pictures: readonly KeyPicture[], timescale: number): Bitrates {
  const longestTicks = Math.max(...pictures.map(({ durationTicks }) => durationTicks));
  const rate = (sizeBytes: number, ticks: number) => Math.ceil((sizeBytes * 8 * timescale) / ticks);
  let peakBps = 0;
  let all = { sizeBytes: 0, ticks: 0 };
  let run = { sizeBytes: 0, ticks: 0 };
  for (const { sizeBytes, durationTicks } of pictures) {
    const isShort = durationTicks * 2 < longestTicks;
    run = {
      sizeBytes: (isShort ? run.sizeBytes : 0) + sizeBytes,
      ticks: (isShort ? run.ticks : 0) + durationTicks,
    };
    peakBps = Math.max(peakBps, rate(run.sizeBytes, run.ticks));
    all = { sizeBytes: all.sizeBytes + sizeBytes, ticks: all.ticks + durationTicks };
  }
  return { peakBps, averageBps: rate(all.sizeBytes, all.ticks) };
}

/** Differences of rounded points in time, so that they add up. */
function wholeMicroseconds(pictures: readonly KeyPicture[], timescale: number): number[] {
  const at = (ticks: number) => Math.round((ticks * 1_000_000) / timescale);
  let ticks = 0;
  return pictures.map(({ durationTicks }) => {
    const start = at(ticks);
    ticks += durationTicks;
    return at(ticks) - start;
  });
}
