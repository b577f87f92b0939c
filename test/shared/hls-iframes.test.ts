import hlsParser from 'hls-parser';
import { Parser } from 'm3u8-parser';
import { parse } from 'mpd-parser';
import { describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist } from '../../shared/hls.ts';
import { iframePlaylist } from '../../shared/hls-iframes.ts';
import type { ImageTrack, VideoTrack } from '../../shared/manifest-tracks.ts';
import { videoTrack } from './tracks.ts';

/** Three segments of 6.006, 6.006 and 1.5015 s; key pictures 3.003 s apart, the last GOP a single frame. */
function withKeys(track: VideoTrack): VideoTrack {
  const segments = track.segments.map((segment, index) => {
    const offsets = index < 2 ? [0, 90_090] : [0, 44_044];
    return {
      ...segment,
      keyTicks: offsets.map((offset) => segment.startTicks + offset),
      keyRanges: offsets.map((_, key) => ({ offsetBytes: 28 + key * 50_000, sizeBytes: 10_000 + key })),
    };
  });
  return { ...track, segments };
}

const LOW = withKeys(videoTrack('360p', 360, [300_000, 450_000, 90_000]));
const BARE = videoTrack('360p', 360, [300_000, 450_000, 90_000]);

describe('an I-frame playlist', () => {
  const text = iframePlaylist(LOW)!;

  it('is read alike by two parsers: each key picture alone, until the next', () => {
    const parsed = hlsParser.parse(text) as hlsParser.types.MediaPlaylist;
    expect(parsed).toMatchObject({ isIFrame: true, endlist: true, targetDuration: 4 });
    expect(
      parsed.segments.map(({ uri, duration, byterange }) => [
        uri,
        duration,
        byterange.offset,
        byterange.length,
      ]),
    ).toEqual([
      ['stream_360p_000.m4s', 3.003, 28, 10_000],
      ['stream_360p_000.m4s', 3.003, 50_028, 10_001],
      ['stream_360p_001.m4s', 3.003, 28, 10_000],
      ['stream_360p_001.m4s', 3.003, 50_028, 10_001],
      ['stream_360p_002.m4s', 1.468133, 28, 10_000],
      ['stream_360p_002.m4s', 0.033367, 50_028, 10_001],
    ]);
    const parser = new Parser();
    parser.push(text);
    parser.end();
    expect(parser.manifest).toMatchObject({ iFramesOnly: true, endList: true });
    expect(parser.manifest.segments[1]).toMatchObject({
      byterange: { offset: 50_028, length: 10_001 },
      map: { uri: 'stream_360p_init.mp4' },
    });
  });

  it('is not written, nor listed, where the bytes of a key picture were not measured', () => {
    const partly = { ...LOW, segments: [...LOW.segments.slice(0, 2), BARE.segments[2]!] };
    for (const track of [BARE, partly]) {
      expect(iframePlaylist(track)).toBeUndefined();
      expect(masterPlaylist({ video: [track], audio: [], subtitles: [] })).not.toContain('I-FRAME');
    }
  });

  it('is listed by the master with its own bandwidth, beside the variants', () => {
    const text = masterPlaylist({ video: [LOW], audio: [], subtitles: [] });
    const parsed = hlsParser.parse(text) as hlsParser.types.MasterPlaylist;
    const iframes = parsed.variants.filter(({ isIFrameOnly }) => isIFrameOnly);
    expect(parsed.variants).toHaveLength(2);
    expect(iframes).toHaveLength(1);
    expect(iframes[0]).toMatchObject({
      uri: 'stream_360p_iframes.m3u8',
      codecs: 'avc1.64001f',
      resolution: { width: 640, height: 360 },
      // The last two, shown for less than half as long as the others, count together with the one before.
      bandwidth: Math.ceil((30_002 * 8 * 30_000) / 135_135),
      averageBandwidth: Math.ceil((60_003 * 8 * 30_000) / 405_405),
    });
  });
});

describe('picture sheets in the MPD', () => {
  const images: ImageTrack = {
    ...{ stem: 'thumb', tileWidth: 240, tileHeight: 136, columns: 2, rows: 2, tileCount: 3, sheetCount: 1 },
    ...{ timescale: 30_000, tileTicks: 60_060, bandwidthBps: 99_000 },
  };

  it('are a set of their own, in the form that players scrub with', () => {
    const mpd = dashManifest({ video: [LOW], audio: [], subtitles: [], images });
    for (const part of [
      'contentType="image" mimeType="image/jpeg"',
      'timescale="30000" duration="240240" startNumber="0" media="thumb_$Number%03d$.jpg"',
      '<Representation id="thumb" bandwidth="99000" width="480" height="272">',
      '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="2x2"/>',
    ]) {
      expect(mpd).toContain(part);
    }
    const without = dashManifest({ video: [LOW], audio: [], subtitles: [] });
    expect(without).not.toContain('image');
    const playlists = [mpd, without].map(
      (text) => parse(text, { manifestUri: 'https://x.test/m.mpd' }).playlists,
    );
    expect(playlists[0]).toEqual(playlists[1]);
  });
});
