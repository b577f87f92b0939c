// A static DASH manifest (ISO/IEC 23009-1, isoff-live profile) as text, from the same tracks as the HLS
// playlists. Pure. Elements stand in the order the schema gives them.
import { measureBitrates } from './bitrates.ts';
import { byCodecFamily } from './codec-string.ts';
import { imageSet } from './dash-images.ts';
import { contentProtection, protectionNamespaces } from './dash-protection.ts';
import { subtitleSets } from './dash-subtitles.ts';
import {
  type AudioTrack,
  longestSeconds,
  type ManifestTracks,
  type TrackTimeline,
  type VideoTrack,
} from './manifest-tracks.ts';
import { initName, segmentTemplate } from './object-keys.ts';
import type { PlannedProtection } from './protection.ts';
import type { Rational } from './timeline.ts';
import { accessibility, element, emptyElement, escaped, role } from './xml.ts';

export function dashManifest({ video, audio, subtitles, images, protection }: ManifestTracks): string {
  const tracks = [...video, ...audio];
  const durationSeconds = longestSeconds(tracks);
  const longestSegmentSeconds = Math.max(
    ...tracks.flatMap(({ segments, timescale }) => segments.map((one) => one.durationTicks / timescale)),
  );
  // Players change between the representations of one set, and not every device changes its decoder on the way.
  const [ladder = [], ...otherCodecs] = byCodecFamily(video);
  const lastId = video.length + audio.length + 2 + subtitles.length;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    element('MPD', {
      xmlns: 'urn:mpeg:dash:schema:mpd:2011',
      ...protectionNamespaces(protection),
      profiles: 'urn:mpeg:dash:profile:isoff-live:2011',
      type: 'static',
      mediaPresentationDuration: duration(durationSeconds),
      // `bandwidth` is the busiest segment's, so one segment of buffer is what it promises.
      minBufferTime: duration(longestSegmentSeconds),
    }),
    '  <Period id="0" start="PT0S">',
    ...videoSet(ladder, 0, protection),
    ...otherCodecs.flatMap((tracks, index) => videoSet(tracks, lastId + 1 + index, protection)),
    ...audio.flatMap((track, index) => audioSet(track, index + 1, protection)),
    ...(images ? imageSet(images, video.length + audio.length + 1) : []),
    ...subtitleSets(subtitles, video.length + audio.length + 2, durationSeconds),
    '  </Period>',
    '</MPD>',
  ];
  return `${lines.join('\n')}\n`;
}

function videoSet(
  video: readonly VideoTrack[],
  id: number,
  protection: PlannedProtection | undefined,
): string[] {
  const top = video.at(-1);
  if (!top) return [];
  const attributes = {
    id,
    contentType: 'video',
    mimeType: 'video/mp4',
    maxWidth: Math.max(...video.map(({ width }) => width)),
    maxHeight: Math.max(...video.map(({ height }) => height)),
    par: aspect(top.width, top.height),
    segmentAlignment: true,
    startWithSAP: 1,
  };
  return [
    `    ${element('AdaptationSet', attributes)}`,
    ...contentProtection(protection),
    role('main'),
    ...video.flatMap((track) => [
      `      ${element('Representation', {
        id: track.stem,
        codecs: track.codecs,
        bandwidth: measureBitrates(track).peakBps,
        width: track.width,
        height: track.height,
        frameRate: frameRate(track.fps),
        sar: '1:1',
      })}`,
      ...segmentList(track),
      '      </Representation>',
    ]),
    '    </AdaptationSet>',
  ];
}

function audioSet(track: AudioTrack, id: number, protection: PlannedProtection | undefined): string[] {
  const attributes = {
    id,
    contentType: 'audio',
    mimeType: 'audio/mp4',
    lang: track.language,
    segmentAlignment: true,
    startWithSAP: 1,
    // Left to the bitrate, dash.js would begin with the surround sound that most devices fold down again.
    ...(track.surroundOf === undefined ? { selectionPriority: 2 } : {}),
  };
  const channels = {
    schemeIdUri: 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011',
    value: track.channels,
  };
  const representation = {
    id: track.stem,
    codecs: track.codecs,
    bandwidth: measureBitrates(track).peakBps,
    audioSamplingRate: track.sampleRate,
  };
  return [
    `    ${element('AdaptationSet', attributes)}`,
    `      ${emptyElement('AudioChannelConfiguration', channels)}`,
    ...contentProtection(protection),
    `      <Label>${escaped(track.label)}</Label>`,
    ...(track.purpose === 'description' ? [accessibility(1)] : []),
    role(track.purpose ?? (track.isDefault ? 'main' : 'alternate')),
    `      ${element('Representation', representation)}`,
    ...segmentList(track),
    '      </Representation>',
    '    </AdaptationSet>',
  ];
}

function segmentList(track: TrackTimeline): string[] {
  const template = {
    timescale: track.timescale,
    presentationTimeOffset: 0,
    startNumber: 0,
    initialization: initName(track.stem),
    media: segmentTemplate(track.stem),
  };
  return [
    `        ${element('SegmentTemplate', template)}`,
    '          <SegmentTimeline>',
    ...timelineRuns(track).map((run) => `            ${emptyElement('S', run)}`),
    '          </SegmentTimeline>',
    '        </SegmentTemplate>',
  ];
}

type Run = { t?: number; d: number; r?: number };

/** Equal neighbours are one entry; `t` stands where the time does not follow from the entry before. */
function timelineRuns({ segments }: TrackTimeline): Run[] {
  const runs: Run[] = [];
  let expectedTicks: number | undefined;
  for (const { startTicks, durationTicks } of segments) {
    const last = runs.at(-1);
    if (last && startTicks === expectedTicks && last.d === durationTicks) last.r = (last.r ?? 0) + 1;
    else runs.push(startTicks === expectedTicks ? { d: durationTicks } : { t: startTicks, d: durationTicks });
    expectedTicks = startTicks + durationTicks;
  }
  return runs;
}

/** ISO 8601. */
function duration(seconds: number): string {
  return `PT${Number(seconds.toFixed(6))}S`;
}

function frameRate({ num, den }: Rational): string {
  return den === 1 ? String(num) : `${num}/${den}`;
}

function aspect(width: number, height: number): string {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  const common = divisor(width, height);
  return `${width / common}:${height / common}`;
}
