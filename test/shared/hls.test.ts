import hlsParser from 'hls-parser';
import { Parser } from 'm3u8-parser';
import { describe, expect, it } from 'vitest';
import { masterPlaylist, mediaPlaylist } from '../../shared/hls.ts';
import { audioTrack, segmentsOf, videoTrack } from './tracks.ts';

const LOW = videoTrack('360p', 360, [300_000, 450_000, 90_000]);
const MIDDLE = videoTrack('720p', 720, [1_100_000, 1_200_000, 200_000]);
const TOP = videoTrack('1080p', 1080, [3_000_000, 4_000_000, 700_000]);
const ENGLISH = audioTrack('en', 'English', true);
const GERMAN = audioTrack('de', 'Deutsch', false);

function m3u8(text: string) {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  return parser.manifest;
}

describe('the master playlist', () => {
  const text = masterPlaylist({ video: [LOW, MIDDLE, TOP], audio: [ENGLISH, GERMAN], subtitles: [] });

  it('is read alike by two parsers', () => {
    const parsed = hlsParser.parse(text) as hlsParser.types.MasterPlaylist;
    expect(parsed.version).toBe(7);
    expect(parsed.independentSegments).toBe(true);
    const fields = parsed.variants.map(
      ({ uri, bandwidth, averageBandwidth, codecs, resolution, frameRate }) => ({
        ...{ uri, bandwidth, averageBandwidth, codecs, frameRate },
        height: resolution?.height,
      }),
    );
    expect(fields[1]).toEqual({
      uri: 'stream_360p.m3u8',
      // 450 000 bytes in 6.006 s, and 96 000 bytes of sound in 287 744 / 48 000 s.
      bandwidth: Math.ceil(3_600_000 / 6.006) + Math.ceil(768_000 / (287_744 / 48_000)),
      averageBandwidth: Math.ceil(6_720_000 / 13.5135) + Math.ceil(1_728_000 / (649_216 / 48_000)),
      codecs: 'avc1.64001f,mp4a.40.2',
      height: 360,
      frameRate: 29.97,
    });
    const other = m3u8(text);
    expect(other.playlists?.map(({ uri }) => uri)).toEqual(parsed.variants.map(({ uri }) => uri));
    expect(other.mediaGroups.AUDIO.audio).toMatchObject({
      English: { default: true, language: 'en', uri: 'audio_en.m3u8' },
      Deutsch: { default: false, language: 'de', uri: 'audio_de.m3u8' },
    });
  });

  it('begins with the best variant below 2 Mbit/s, then ascends', () => {
    expect(text.match(/stream_\w+/g)).toEqual(['stream_720p', 'stream_360p', 'stream_1080p']);
  });

  it('begins with the lowest variant where all are heavier', () => {
    const heavy = masterPlaylist({
      video: [videoTrack('720p', 720, [2_000_000, 1, 1]), TOP],
      audio: [],
      subtitles: [],
    });
    expect(heavy.match(/stream_\w+/g)).toEqual(['stream_720p', 'stream_1080p']);
  });

  it('names no audio group where there is no sound', () => {
    const silent = masterPlaylist({ video: [LOW], audio: [], subtitles: [] });
    expect(silent).not.toContain('AUDIO=');
    expect(silent).not.toContain('EXT-X-MEDIA');
    expect(silent).toContain('CODECS="avc1.64001f"');
  });

  it('leaves the language out where it is unknown', () => {
    expect(
      masterPlaylist({ video: [LOW], audio: [audioTrack('und', 'Audio', true)], subtitles: [] }),
    ).not.toContain('LANGUAGE');
    expect(masterPlaylist({ video: [LOW], audio: [ENGLISH], subtitles: [] })).toContain('LANGUAGE="en"');
  });

  it('lets no label break out of its quotes or its line', () => {
    const hostile = masterPlaylist({
      video: [LOW],
      audio: [audioTrack('en', 'a",DEFAULT=NO\n#EXT-X-ENDLIST\r', true)],
      subtitles: [],
    });
    expect(hostile.split('\n').filter((line) => line.startsWith('#EXT-X-ENDLIST'))).toEqual([]);
    const [name] = Object.keys(m3u8(hostile).mediaGroups.AUDIO.audio!);
    expect(name).toBe('a ,DEFAULT=NO #EXT-X-ENDLIST');
  });

  it('tells apart two tracks with the same label', () => {
    const twins = masterPlaylist({
      video: [LOW],
      audio: [audioTrack('en', 'Audio', true), audioTrack('de', 'Audio', false)],
      subtitles: [],
    });
    expect(twins).toContain('NAME="Audio (en)"');
    expect(twins).toContain('NAME="Audio (de)"');
  });
});

describe('a media playlist', () => {
  const text = mediaPlaylist(LOW);

  it('is read alike by two parsers', () => {
    const parsed = hlsParser.parse(text) as hlsParser.types.MediaPlaylist;
    expect(parsed).toMatchObject({ version: 7, playlistType: 'VOD', endlist: true, targetDuration: 7 });
    expect(parsed.segments.map(({ uri, duration }) => [uri, duration])).toEqual([
      ['stream_360p_000.m4s', 6.006],
      ['stream_360p_001.m4s', 6.006],
      ['stream_360p_002.m4s', 1.5015],
    ]);
    const other = m3u8(text);
    expect(other).toMatchObject({ endList: true, playlistType: 'VOD', independentSegments: true });
    expect(other.segments[0]).toMatchObject({ duration: 6.006, map: { uri: 'stream_360p_init.mp4' } });
  });

  it('rounds the target duration up, and leaves whole seconds alone', () => {
    expect(text).toContain('#EXT-X-TARGETDURATION:7\n');
    const whole = { ...LOW, segments: segmentsOf([180_000, 180_000], [1, 1]) };
    expect(mediaPlaylist(whole)).toContain('#EXT-X-TARGETDURATION:6\n');
  });

  it('has durations that add up over two hours of awkward lengths', () => {
    const count = 1200;
    const ticks = Array.from({ length: count }, (_, index) => 264_600 + (index % 3) - 1);
    const track = { ...ENGLISH, timescale: 44_100, segments: segmentsOf(ticks, ticks) };
    const micros = [...mediaPlaylist(track).matchAll(/#EXTINF:(\d+)\.(\d{6}),/g)].map(([, s, us]) =>
      Number(`${s}${us}`),
    );
    const total = ticks.reduce((sum, one) => sum + one, 0);
    expect(micros.reduce((sum, one) => sum + one, 0)).toBe(Math.round((total * 1_000_000) / 44_100));
  });
});
