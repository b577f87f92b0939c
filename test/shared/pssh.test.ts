// What players of Widevine and PlayReady read, against Shaka Packager, which writes the same from the same key.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as HLS from 'hls-parser';
import { parse as parseMpd } from 'mpd-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { withLicenses } from '../../shared/dash-protection.ts';
import { masterPlaylist } from '../../shared/hls.ts';
import type { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { protectedPlaylist } from '../../shared/protection-playlists.ts';
import type { OfferedSystem } from '../../shared/protection-systems.ts';
import { bytesOfField, protobuf, protobufFields } from '../../shared/protobuf.ts';
import { playReadyKeyId, playReadyPssh, widevinePssh } from '../../shared/pssh.ts';
import { fromHex, toHex } from '../../shared/sign.ts';
import { makeClip } from '../support/media.ts';
import { systemManifests } from '../support/packager.ts';
import { audioTrack, videoTrack } from './tracks.ts';

const KEY_ID = '00112233445566778899aabbccddeeff';
const KEY = { keyId: KEY_ID, key: fromHex('0123456789abcdef0123456789abcdef') };
const TRACKS: ManifestTracks = {
  video: [videoTrack('360p', 360, [900, 900, 400]), videoTrack('720p', 720, [1000, 1000, 400])],
  audio: [audioTrack('en', 'English', true)],
  subtitles: [],
  protection: { scheme: 'cenc', keyId: KEY_ID },
};
const CLEARKEY: OfferedSystem = { keySystem: 'org.w3.clearkey' };
const WIDEVINE: OfferedSystem = { keySystem: 'com.widevine.alpha' };
const PLAYREADY: OfferedSystem = { keySystem: 'com.microsoft.playready' };
const ROOT = 'https://reelay.test/p/v1.k.p.m/';
const mpdFor = (...systems: OfferedSystem[]) =>
  withLicenses(dashManifest(TRACKS), { systems, root: ROOT, contentId: 'film-7' });
const playlistFor = (name: string, ...systems: OfferedSystem[]) =>
  protectedPlaylist(TRACKS, name, { systems, contentId: 'film-7' });

let folder: string;
let theirs: { mpd: string; playlist: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-pssh-'));
  const clip = await makeClip(join(folder, 'clip.mp4'), { seconds: 2 });
  theirs = await systemManifests(clip, folder, KEY);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The base64 texts of an element, without the checksum, which takes the key. */
const texts = (mpd: string, element: string) =>
  [...mpd.matchAll(new RegExp(`<${element}>([^<]+)</${element}>`, 'g'))].map(([, text]) =>
    Buffer.from(text!, 'base64'),
  );
const headerOf = (bytes: Buffer) =>
  bytes
    .subarray(bytes.indexOf('<\0W\0R\0M\0'))
    .toString('utf16le')
    .replace(/<CHECKSUM>[^<]*<\/CHECKSUM>/, '');

describe('what players of key systems read', () => {
  it('is for Widevine the very box that Shaka Packager writes', () => {
    const box = texts(theirs.mpd, 'cenc:pssh').find((bytes) => bytes[12] === 0xed)!;
    expect(toHex(widevinePssh({ keyIds: [KEY_ID] }))).toBe(toHex(box));
    expect(texts(mpdFor(WIDEVINE), 'cenc:pssh').map(toHex)).toEqual([box, box].map(toHex));
  });

  it('is for PlayReady the same header in the same object and box, without the checksum', () => {
    const [ours] = texts(mpdFor(PLAYREADY), 'mspr:pro');
    const [object] = texts(theirs.mpd, 'mspr:pro');
    expect(headerOf(ours!)).toBe(headerOf(object!));
    expect(headerOf(ours!)).toContain(`<KID>${playReadyKeyId(KEY_ID)}</KID>`);
    for (const bytes of [ours!, object!]) {
      // Length of all, records, type and length of the one.
      const header = bytes.length - 10;
      expect([
        bytes.readUInt32LE(0),
        bytes.readUInt16LE(4),
        bytes.readUInt16LE(6),
        bytes.readUInt16LE(8),
      ]).toEqual([bytes.length, 1, 1, header]);
    }
    const [box] = texts(mpdFor(PLAYREADY), 'cenc:pssh');
    const theirBox = texts(theirs.mpd, 'cenc:pssh').find((bytes) => bytes[12] === 0x9a)!;
    expect(toHex(box!.subarray(4, 28))).toBe(toHex(theirBox.subarray(4, 28)));
    expect(box!.readUInt32BE(0)).toBe(box!.length);
    expect(toHex(box!.subarray(32))).toBe(toHex(ours!));
  });

  it('is for Widevine whose content it is as well, where the vendor has a name for that', () => {
    const [box] = texts(mpdFor({ ...WIDEVINE, provider: 'studio' }), 'cenc:pssh');
    const fields = protobufFields(box!.subarray(32))!;
    const textOf = (number: number) =>
      bytesOfField(fields, number).map((bytes) => Buffer.from(bytes).toString());
    expect(bytesOfField(fields, 2).map(toHex)).toEqual([KEY_ID]);
    expect([textOf(3), textOf(4)]).toEqual([['studio'], ['film-7']]);
    expect(box!.readUInt32BE(28)).toBe(box!.length - 32);
  });

  it('stands in EXT-X-KEY lines as Shaka Packager spells them', () => {
    const keyLines = (playlist: string) =>
      playlist.split('\n').flatMap((line) => (line.startsWith('#EXT-X-KEY:') ? [attributesOf(line)] : []));
    const ours = keyLines(playlistFor('stream_720p.m3u8', PLAYREADY, WIDEVINE)!);
    const packaged = keyLines(theirs.playlist);
    expect(ours[1]).toEqual(packaged[1]);
    const { URI, ...others } = ours[0]!;
    const { URI: theirUri, ...theirOthers } = packaged[0]!;
    expect(others).toEqual(theirOthers);
    const [head, data] = URI!.split(',');
    expect(head).toBe(theirUri!.split(',')[0]);
    expect(headerOf(Buffer.from(data!, 'base64'))).toBe(
      headerOf(Buffer.from(theirUri!.split(',')[1]!, 'base64')),
    );
  });
});

describe('the MPD of a token', () => {
  it.each([
    ['ClearKey', [CLEARKEY], ['e2719d58'], ['license']],
    ['Widevine', [WIDEVINE], ['edef8ba9'], ['license/widevine']],
    [
      'all',
      [WIDEVINE, PLAYREADY, CLEARKEY],
      ['edef8ba9', '9a04f079', 'e2719d58'],
      ['license/widevine', 'license/playready', 'license'],
    ],
  ])('names %s in every set, each with its licence', (_, systems, ids, paths) => {
    const mpd = mpdFor(...systems);
    const sets = mpd.split('<AdaptationSet').slice(1);
    expect(sets).toHaveLength(2);
    for (const set of sets) {
      expect(set.match(/<ContentProtection /g)).toHaveLength(ids.length + 1);
      expect([...set.matchAll(/"urn:uuid:(\w{8})-/g)].map(([, id]) => id)).toEqual(ids);
      const urls = [...set.matchAll(/<dashif:Laurl[^>]*>([^<]*)</g)].map(([, url]) => url);
      expect(urls).toEqual(paths.map((path) => ROOT + path));
    }
    expect(mpd.includes('xmlns:mspr="urn:microsoft:playready"')).toBe(systems.includes(PLAYREADY));
    expect(mpd.match(/xmlns:cenc=/g)).toHaveLength(1);
  });

  it('stays as it is where nothing is encrypted', () => {
    const { protection: _, ...clear } = TRACKS;
    const mpd = dashManifest(clear);
    expect(withLicenses(mpd, { systems: [WIDEVINE], root: ROOT, contentId: 'v1' })).toBe(mpd);
  });
});

describe('parsers nobody here wrote', () => {
  it('find the boxes of both systems in the MPD', () => {
    const { playlists } = parseMpd(mpdFor(WIDEVINE, PLAYREADY), { manifestUri: 'https://reelay.test/m.mpd' });
    for (const { contentProtection } of playlists) {
      expect(toHex(contentProtection!['com.widevine.alpha']!.pssh!)).toBe(
        toHex(widevinePssh({ keyIds: [KEY_ID] })),
      );
      expect(toHex(contentProtection!['com.microsoft.playready']!.pssh!)).toBe(toHex(playReadyPssh(KEY_ID)));
    }
    expect(playlists).toHaveLength(2);
  });

  it('find the keys of both systems in the playlists', () => {
    const master = HLS.parse(playlistFor('master.m3u8', WIDEVINE, PLAYREADY)!) as HLS.types.MasterPlaylist;
    const media = HLS.parse(playlistFor('stream_720p.m3u8', WIDEVINE)!) as HLS.types.MediaPlaylist;
    expect(master.sessionKeyList.map(({ method, format }) => [method, format])).toEqual([
      ['SAMPLE-AES-CTR', 'urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed'],
      ['SAMPLE-AES-CTR', 'com.microsoft.playready'],
    ]);
    for (const { key, map } of media.segments) {
      expect(key?.uri).toBe(master.sessionKeyList[0]!.uri);
      expect(map?.uri).toBe('stream_720p_init.mp4');
    }
    expect(media.segments).toHaveLength(3);
  });
});

describe('HLS under Common Encryption', () => {
  it('has a session key in its master and a key behind each map, and nothing else of its own', () => {
    const master = playlistFor('master.m3u8', WIDEVINE)!;
    const without = (text: string) =>
      text
        .split('\n')
        .filter((line) => !line.startsWith('#EXT-X-SESSION-KEY'))
        .join('\n');
    expect(master.match(/#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR/g)).toHaveLength(1);
    expect(without(master)).toBe(masterPlaylist(TRACKS));
    const lines = playlistFor('audio_en.m3u8', WIDEVINE, PLAYREADY)!.split('\n');
    const map = lines.findIndex((line) => line.startsWith('#EXT-X-MAP'));
    expect(lines.slice(map + 1, map + 4).map((line) => line.split(':')[0])).toEqual([
      ...['#EXT-X-KEY', '#EXT-X-KEY', '#EXTINF'],
    ]);
  });

  it('says one target duration in all lists, and lists no key pictures', () => {
    const targets = ['stream_360p.m3u8', 'stream_720p.m3u8', 'audio_en.m3u8'].map(
      (name) => /TARGETDURATION:(\d+)/.exec(playlistFor(name, WIDEVINE)!)?.[1],
    );
    expect(new Set(targets).size).toBe(1);
    const measured = TRACKS.video.map((track) => ({
      ...track,
      segments: track.segments.map((one) => ({
        ...{ ...one, keyTicks: [one.startTicks] },
        keyRanges: [{ offsetBytes: 8, sizeBytes: 9 }],
      })),
    }));
    expect(masterPlaylist({ ...TRACKS, video: measured })).toContain('I-FRAME');
    const tracks = { ...TRACKS, video: measured };
    expect(protectedPlaylist(tracks, 'master.m3u8', { systems: [WIDEVINE], contentId: 'v' })).not.toContain(
      'I-FRAME',
    );
  });

  it('is for vendors alone, for what is encrypted so, and for lists there are', () => {
    expect(playlistFor('master.m3u8', WIDEVINE)).toBeDefined();
    expect(playlistFor('master.m3u8', CLEARKEY)).toBeUndefined();
    expect(playlistFor('stream_1080p.m3u8', WIDEVINE)).toBeUndefined();
    const aes: ManifestTracks = { ...TRACKS, protection: { scheme: 'aes-128' } };
    expect(protectedPlaylist(aes, 'master.m3u8', { systems: [WIDEVINE], contentId: 'v' })).toBeUndefined();
  });
});

describe('Protocol Buffers', () => {
  it('come back as they were written, and what is cut short is none', () => {
    const bytes = protobuf([
      { number: 1, value: 300 },
      { number: 9, value: 0x63656e63 },
      { number: 16, value: 'text' },
    ]);
    expect(toHex(bytes.subarray(0, 3))).toBe('08ac02');
    expect(protobufFields(bytes)).toEqual([
      { number: 1, value: 300 },
      { number: 9, value: 0x63656e63 },
      { number: 16, value: new TextEncoder().encode('text') },
    ]);
    for (const length of [1, 4, bytes.length - 1])
      expect(protobufFields(bytes.subarray(0, length))).toBeUndefined();
    expect(protobufFields(new Uint8Array([0x0b, 0x00]))).toBeUndefined(); // a group
  });
});

function attributesOf(line: string): Record<string, string> {
  const pairs = line.slice(line.indexOf(':') + 1).matchAll(/([A-Z-]+)=("[^"]*"|[^,]*)/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name, value!.replaceAll('"', '')]));
}
