// Faults in what manifests say of keys, one at a time, next to the intact twin that passes.
import { expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { mediaPlaylist } from '../../shared/hls.ts';
import type { PlannedProtection } from '../../shared/protection.ts';
import { Checklist } from '../../transcoder/certificate/checklist.ts';
import { checkProtection } from '../../transcoder/certificate/protection-checks.ts';
import type { FinishedTracks } from '../../transcoder/tracks.ts';
import { audioTrack, videoTrack } from '../shared/tracks.ts';

const TRACKS = {
  video: [videoTrack('720p', 720, [1000, 1000, 400])],
  audio: [audioTrack('en', 'English', true)],
  subtitles: [],
};

function countOf(protection: PlannedProtection, broken: (text: string) => string): number {
  const indexed = <T extends { segments: object[] }>(track: T) => ({
    ...track,
    segments: track.segments.map((segment, index) => ({ ...segment, index })),
  });
  const tracks = {
    ...{ video: TRACKS.video.map(indexed), audio: TRACKS.audio.map(indexed) },
    protection,
  } as unknown as FinishedTracks;
  const list = new Checklist();
  const playlistOf = (name: string) =>
    mediaPlaylist(name.startsWith('stream') ? TRACKS.video[0]! : TRACKS.audio[0]!, 0, protection);
  const mpd = broken(dashManifest({ ...TRACKS, protection }));
  checkProtection(list, tracks, (name) => broken(playlistOf(name)), mpd);
  return list.checks[0]!.count;
}

const AES: PlannedProtection = { scheme: 'aes-128', keyRotationSegments: 2 };
const CENC: PlannedProtection = { scheme: 'cenc', keyId: '00112233445566778899aabbccddeeff' };

it.each([
  ['a key that is missing', AES, /#EXT-X-KEY.*key\/1"\n/g, ''],
  ['no key at all', AES, /#EXT-X-KEY.*\n/g, ''],
  ['the wrong key', AES, /key\/1/g, 'key/2'],
  ['another method', AES, /METHOD=AES-128/g, 'METHOD=SAMPLE-AES'],
  ['a vector of its own', AES, /URI="key\/0"/g, 'URI="key/0",IV=0x01'],
  ['a key that covers the map', AES, /(#EXT-X-MAP.*\n)(#EXT-X-KEY.*\n)/g, '$2$1'],
  ['another key id', CENC, /ccddeeff/g, 'ccddeef0'],
  ['no key id', CENC, /<ContentProtection [^>]*cenc:default_KID[^>]*>/g, ''],
  ['no ClearKey', CENC, /urn:uuid:e2719d58/g, 'urn:uuid:e2719d59'],
] as const)('finds %s', (_fault, protection, search, replacement) => {
  expect(countOf(protection, (text) => text)).toBe(2);
  expect(() => countOf(protection, (text) => text.replace(search, replacement))).toThrow(
    protection.scheme === 'cenc' ? 'content-protection' : 'segment-keys',
  );
});
