import { parse } from 'mpd-parser';
import { describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { mediaPlaylist } from '../../shared/hls.ts';
import { audioTrack, videoTrack } from './tracks.ts';

const LOW = videoTrack('360p', 360, [300_000, 450_000, 90_000]);
const HIGH = videoTrack('720p', 720, [1_100_000, 1_200_000, 200_000]);
const ENGLISH = audioTrack('en', 'English', true);

describe('the DASH manifest', () => {
  const text = dashManifest({ video: [LOW, HIGH], audio: [ENGLISH], subtitles: [] });
  const parsed = parse(text, { manifestUri: 'https://example.test/g/manifest.mpd' });

  it('gives a parser the same segments and durations as the HLS playlists', () => {
    for (const [track, playlist] of [
      [LOW, parsed.playlists[0]!],
      [HIGH, parsed.playlists[1]!],
      [ENGLISH, audioOf(parsed)],
    ] as const) {
      const hls = mediaPlaylist(track);
      const uris = hls.split('\n').filter((line) => line.endsWith('.m4s'));
      const extinf = [...hls.matchAll(/#EXTINF:([\d.]+)/g)].map(([, seconds]) => Number(seconds));
      expect(playlist.segments.map(({ resolvedUri }) => resolvedUri.split('/').at(-1))).toEqual(uris);
      for (const [index, { duration }] of playlist.segments.entries()) {
        expect(duration).toBeCloseTo(extinf[index]!, 5);
      }
      expect(playlist.segments[0]!.map.resolvedUri).toMatch(new RegExp(`/${track.stem}_init.mp4$`));
      expect(playlist.attributes.CODECS).toBe(track.codecs);
      expect(playlist.endList).toBe(true);
    }
  });

  it('describes every rung', () => {
    expect(parsed.duration).toBeCloseTo(649_216 / 48_000, 5);
    expect(parsed.playlists.map(({ attributes }) => attributes.NAME)).toEqual(['stream_360p', 'stream_720p']);
    expect(parsed.playlists[0]!.attributes.BANDWIDTH).toBe(Math.ceil(3_600_000 / 6.006));
  });

  it('states what a strict reader looks for', () => {
    for (const part of [
      'profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"',
      'mediaPresentationDuration="PT13.525333S" minBufferTime="PT6.016S"',
      'maxWidth="1280" maxHeight="720" par="16:9" segmentAlignment="true" startWithSAP="1"',
      'frameRate="30000/1001" sar="1:1"',
      'startNumber="0" initialization="stream_720p_init.mp4" media="stream_720p_$Number%03d$.m4s"',
      '<S t="0" d="180180" r="1"/>\n            <S d="45045"/>',
      'lang="en"',
      '<Label>English</Label>',
      '<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('marks a hole in the timeline with a time of its own', () => {
    const [first, second, third] = LOW.segments;
    const holed = { ...LOW, segments: [first!, { ...second!, startTicks: 180_181 }, third!] };
    expect(dashManifest({ video: [holed], audio: [], subtitles: [] })).toContain(
      '<S t="180181" d="180180"/>',
    );
    expect(dashManifest({ video: [LOW], audio: [], subtitles: [] }).match(/ t="/g)).toHaveLength(1);
  });

  it('escapes labels', () => {
    const hostile = dashManifest({
      video: [LOW],
      audio: [audioTrack('en', '</Label><script a="&\u0007">', true)],
      subtitles: [],
    });
    expect(hostile).toContain('<Label>&lt;/Label&gt;&lt;script a=&quot;&amp; &quot;&gt;</Label>');
  });
});

function audioOf(parsed: ReturnType<typeof parse>) {
  return Object.values(parsed.mediaGroups.AUDIO.audio)[0]!.playlists[0]!;
}
