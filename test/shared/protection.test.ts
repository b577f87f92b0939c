import { describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { withLicenses } from '../../shared/dash-protection.ts';
import { mediaPlaylist } from '../../shared/hls.ts';
import { growingPlaylist } from '../../shared/hls-growing.ts';
import { keyName, keyNumberIn } from '../../shared/object-keys.ts';
import { keyNumberOf, type PlannedProtection } from '../../shared/protection.ts';
import { audioTrack, videoTrack } from './tracks.ts';

const AES: PlannedProtection = { scheme: 'aes-128' };
const CENC: PlannedProtection = { scheme: 'cenc', keyId: '00112233445566778899aabbccddeeff' };
const keysAndSegments = (playlist: string) =>
  playlist.split('\n').filter((line) => /^#EXT-X-(?:KEY|MAP)|\.m4s$/.test(line));

describe('EXT-X-KEY', () => {
  const track = {
    ...{ stem: 'stream_720p', timescale: 10, codecs: 'avc1.64001f' },
    segments: [0, 1, 2, 3, 4].map((n) => ({ sizeBytes: 100, startTicks: n * 60, durationTicks: 60 })),
  };

  it('stands once behind the map, which it does not cover, where one key holds for all', () => {
    expect(keysAndSegments(mediaPlaylist(track, 0, AES)).slice(0, 4)).toEqual([
      '#EXT-X-MAP:URI="stream_720p_init.mp4"',
      '#EXT-X-KEY:METHOD=AES-128,URI="key/0"',
      'stream_720p_000.m4s',
      'stream_720p_001.m4s',
    ]);
  });

  it('stands before every segment that begins another key', () => {
    const lines = keysAndSegments(mediaPlaylist(track, 0, { ...AES, keyRotationSegments: 2 }));
    const places = lines.flatMap((line, place) =>
      line.startsWith('#EXT-X-KEY') ? [[line.slice(-8), lines[place + 1]]] : [],
    );
    expect(places).toEqual([
      ['="key/0"', 'stream_720p_000.m4s'],
      ['="key/1"', 'stream_720p_002.m4s'],
      ['="key/2"', 'stream_720p_004.m4s'],
    ]);
  });

  it('says the same in the list that grows as in the one that is finished', () => {
    const protection = { ...AES, keyRotationSegments: 2 };
    const growing = growingPlaylist(track, { shown: 5, isEnded: false, targetSeconds: 6 }, protection);
    expect(keysAndSegments(growing)).toEqual(keysAndSegments(mediaPlaylist(track, 0, protection)));
    expect(growing).toContain('#EXT-X-KEY');
  });

  it('is in no list of clear segments', () => {
    expect(mediaPlaylist(track)).not.toContain('#EXT-X-KEY');
    expect(mediaPlaylist(track, 0, CENC)).not.toContain('#EXT-X-KEY');
  });
});

describe('ContentProtection', () => {
  const tracks = {
    video: [videoTrack('720p', 720, [1000, 1000, 400])],
    audio: [audioTrack('en', 'English', true)],
    subtitles: [],
  };

  it('names the key in every set of pictures and sound, before the roles', () => {
    const mpd = dashManifest({ ...tracks, protection: CENC });
    const sets = mpd.split('<AdaptationSet').slice(1);
    expect(sets).toHaveLength(2);
    for (const set of sets) {
      expect(set).toContain('value="cenc" cenc:default_KID="00112233-4455-6677-8899-aabbccddeeff"');
      expect(set).toContain('urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e');
      expect(set.indexOf('<ContentProtection')).toBeLessThan(set.indexOf('<Role'));
    }
    expect(mpd).toContain('xmlns:cenc="urn:mpeg:cenc:2013"');
  });

  it('is in no manifest of clear tracks', () => {
    expect(dashManifest(tracks)).not.toContain('ContentProtection');
    expect(dashManifest(tracks)).not.toContain('urn:mpeg:cenc');
  });

  it('has a licence relative to the manifest, or the URL in full where it is known', () => {
    const mpd = dashManifest({ ...tracks, protection: CENC });
    const base = 'https://reelay.test/p/v1.k.p.m/hls/videos/v1/j1/manifest.mpd';
    const relative = /Laurl[^>]*>([^<]+)</.exec(mpd)![1]!;
    expect(new URL(relative, base).pathname).toBe('/p/v1.k.p.m/license');
    const offer = { root: 'https://reelay.test/p/v1.k.p.m/', contentId: 'v1' };
    const full = withLicenses(mpd, { ...offer, systems: [{ keySystem: 'org.w3.clearkey' }] });
    expect(full.match(/>https:\/\/reelay\.test\/p\/v1\.k\.p\.m\/license</g)).toHaveLength(2);
    expect(full).not.toContain(relative);
  });
});

describe('keys of a generation', () => {
  it('are one for Common Encryption and one for each run of segments under rotation', () => {
    const numbers = (protection: PlannedProtection) =>
      [0, 1, 2, 3].map((index) => keyNumberOf(protection, index));
    expect(numbers(CENC)).toEqual([0, 0, 0, 0]);
    expect(numbers(AES)).toEqual([0, 0, 0, 0]);
    expect(numbers({ ...AES, keyRotationSegments: 3 })).toEqual([0, 0, 0, 1]);
  });

  it('have one name each', () => {
    expect(keyNumberIn(keyName(17))).toBe(17);
    for (const name of ['key/', 'key/01', 'key/-1', 'key/1a', 'key/100000', 'x/key/1', 'key/1/2']) {
      expect(keyNumberIn(name), name).toBeUndefined();
    }
  });
});
