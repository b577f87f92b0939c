import HLS from 'hls-parser';
import { Parser } from 'm3u8-parser';
import { describe, expect, it } from 'vitest';
import { growingPlaylist, instantMaster, instantTrack, plannedVideo } from '../../shared/hls-growing.ts';
import type { Plan } from '../../shared/plan.ts';
import { instantTargetSeconds, targetSeconds } from '../../shared/target-duration.ts';
import { attributesOf } from '../support/published.ts';

const FPS = { num: 25, den: 1 };
/** Twenty seconds in segments of six; the last holds the rest. */
const GRID = {
  fps: FPS,
  timescale: 90_000,
  totalFrames: 500,
  gopFrames: 50,
  segmentFrames: 150,
  segmentCount: 4,
};
const PLAN = { ...GRID, renditions: [], audio: [] } as unknown as Plan;
const TRACK = plannedVideo(PLAN, '720p');

const INSTANT = {
  video: {
    ...{ name: '720p', timescale: 1000, codecs: 'avc1.64001f', width: 1280, height: 720, fps: FPS },
    ...{ peakBps: 3_000_000, averageBps: 2_000_000 },
    segments: [
      { startTicks: 0, durationTicks: 6000 },
      { startTicks: 6000, durationTicks: 9500 },
    ],
  },
  audio: {
    ...{ name: 'en', timescale: 48_000, codecs: 'mp4a.40.2', channels: 2, language: 'en', label: 'English' },
    bandwidthBps: 128_000,
    segments: [{ startTicks: 0, durationTicks: 288_768 }],
  },
};

describe('a growing playlist', () => {
  it('is an EVENT list to be watched from its start, without an end', () => {
    expect(growingPlaylist(TRACK, { shown: 2, isEnded: false, targetSeconds: 6 })).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:7',
        '#EXT-X-TARGETDURATION:6',
        '#EXT-X-MEDIA-SEQUENCE:0',
        '#EXT-X-PLAYLIST-TYPE:EVENT',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-START:TIME-OFFSET=0,PRECISE=YES',
        '#EXT-X-MAP:URI="stream_720p_init.mp4"',
        '#EXTINF:6.000000,',
        'stream_720p_000.m4s',
        '#EXTINF:6.000000,',
        'stream_720p_001.m4s',
        '',
      ].join('\n'),
    );
  });

  it('ends with what it has', () => {
    const text = growingPlaylist(TRACK, { shown: 2, isEnded: true, targetSeconds: 6 });
    expect(text.endsWith('stream_720p_001.m4s\n#EXT-X-ENDLIST\n')).toBe(true);
  });

  it('shows no more than there is', () => {
    const text = growingPlaylist(TRACK, { shown: Number.POSITIVE_INFINITY, isEnded: true, targetSeconds: 6 });
    expect(text.match(/\.m4s/g)).toHaveLength(4);
    expect(text).toContain('#EXTINF:2.000000,\nstream_720p_003.m4s');
  });

  it('is read by parsers nobody here wrote', () => {
    const text = growingPlaylist(TRACK, { shown: 3, isEnded: false, targetSeconds: 6 });
    const parsed = HLS.parse(text) as unknown as { playlistType: string; start: object; segments: unknown[] };
    expect(parsed).toMatchObject({ playlistType: 'EVENT', start: { offset: 0, precise: true } });
    const parser = new Parser();
    parser.push(text);
    parser.end();
    expect(parser.manifest.endList).toBeFalsy();
    expect(parser.manifest.segments).toHaveLength(3);
  });
});

describe('the target duration', () => {
  it.each([
    ['is the longest segment of the grid', GRID, [], 6],
    ['leaves room for the stub of sound that the last segment may take', GRID, [{}], 7],
    ['counts a last segment that took a remainder', { ...GRID, totalFrames: 470, segmentCount: 3 }, [], 7],
    ['is that of the only segment', { ...GRID, totalFrames: 60, segmentCount: 1 }, [], 3],
  ])('%s', (_title, grid, audio, seconds) => {
    expect(targetSeconds({ ...grid, audio })).toBe(seconds);
  });

  it('of a copied rendition is its own longest', () => {
    expect(instantTargetSeconds(INSTANT)).toBe(10);
  });
});

describe('a copied rendition', () => {
  it('has a master of one variant with what the plan measured', () => {
    const text = instantMaster(INSTANT);
    const variant = attributesOf(text.split('\n').find((line) => line.startsWith('#EXT-X-STREAM-INF'))!);
    expect(variant).toMatchObject({
      CODECS: 'avc1.64001f,mp4a.40.2',
      RESOLUTION: '1280x720',
      AUDIO: 'audio',
    });
    expect(Number(variant.BANDWIDTH)).toBeGreaterThan(3_128_000);
    expect(Number(variant.BANDWIDTH)).toBeLessThan(3_300_000);
    expect(Number(variant['AVERAGE-BANDWIDTH'])).toBeLessThan(2_300_000);
    expect(text).toContain('URI="audio_en.m3u8"');
  });

  it('keeps the boundaries of its source', () => {
    const text = growingPlaylist(instantTrack('stream_720p', INSTANT.video), {
      ...{ shown: 2, isEnded: false, targetSeconds: 10 },
    });
    expect(text).toContain('#EXTINF:9.500000,\nstream_720p_001.m4s');
  });
});
