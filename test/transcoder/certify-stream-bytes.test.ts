// The bytes of our own presentation and how they are served, broken in one way at a time.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  copyOf,
  doubleEdit,
  dropLastSample,
  edit,
  fileOf,
  moveKeyFlag,
  moveTime,
  setBytes,
  setField,
  swap,
} from '../support/break-stream.ts';
import { type Fault, failedChecks } from '../support/certified.ts';
import { type StreamFiles, type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { ownStream } from '../support/streams.ts';

const MPD = 'manifest.mpd';
const LIST = 'stream_180p.m3u8';
const IFRAMES = 'stream_180p_iframes.m3u8';
const INIT = 'stream_180p_init.mp4';

let good: StreamFiles;
let server: StreamServer;

beforeAll(async () => {
  [good, server] = await Promise.all([ownStream(), startStreamServer()]);
});
afterAll(() => server[Symbol.asyncDispose]());

const BYTE_FAULTS: Fault[] = [
  ['reachable', 'a missing segment', (f) => f.delete('stream_180p_001.m4s')],
  ['reachable', 'a missing init segment', (f) => f.delete(INIT)],
  ['reachable', 'a missing playlist', (f) => f.delete(LIST)],
  [
    'reachable',
    'a segment that is forbidden',
    (f) => Object.assign(fileOf(f, 'stream_90p_001.m4s'), { status: 403 }),
  ],
  [
    'content-type',
    'a page for a segment',
    (f) => Object.assign(fileOf(f, 'stream_180p_001.m4s'), { headers: { 'content-type': 'text/html' } }),
  ],
  [
    'content-type',
    'a playlist as plain text',
    (f) => Object.assign(fileOf(f, LIST), { headers: { 'content-type': 'text/plain' } }),
  ],
  [
    'content-encoding',
    'a segment sent with gzip',
    (f) => {
      const file = fileOf(f, 'stream_180p_001.m4s');
      f.set('stream_180p_001.m4s', { bytes: gzipSync(file.bytes), headers: { 'content-encoding': 'gzip' } });
    },
  ],
  [
    'segment-readable',
    'a segment stored with gzip',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => gzipSync(b)),
  ],
  [
    'content-length',
    'a body that breaks off',
    (f) => Object.assign(fileOf(f, 'stream_180p_001.m4s'), { cutAfter: 500 }),
  ],
  [
    'byte-ranges',
    'a server that ignores ranges',
    (f) => Object.assign(fileOf(f, 'stream_180p_001.m4s'), { ignoresRanges: true }),
  ],
  [
    'segment-readable',
    'a truncated segment',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => b.subarray(0, -100)),
  ],
  ['segment-readable', 'an empty segment', (f) => setBytes(f, 'stream_180p_001.m4s', () => new Uint8Array())],
  [
    'segment-readable',
    'a segment overwritten with zeros',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => b.fill(0xff, b.length >> 1)),
  ],
  ['init-readable', 'a truncated init segment', (f) => setBytes(f, INIT, (b) => b.subarray(0, -10))],
  [
    'init-matches',
    'an init segment of another track',
    (f) => setBytes(f, INIT, (b) => setField(b, 'moov/trak/tkhd', 12, () => 9)),
  ],
  ['resolution', 'the init segment of another rung', (f) => swap(f, INIT, 'stream_90p_init.mp4')],
  ['codecs', 'the init segment of the sound', (f) => swap(f, INIT, 'audio_und_init.mp4')],
  ['edit-list', 'an edit list doubled', (f) => setBytes(f, 'audio_und_init.mp4', doubleEdit)],
  [
    'tracks-start-together',
    'an edit that hides a second',
    (f) => setBytes(f, 'audio_und_init.mp4', (b) => setField(b, 'moov/trak/edts/elst', 12, () => 49_024)),
  ],
  [
    'extinf-exact',
    'a wrong timescale',
    (f) => setBytes(f, INIT, (b) => setField(b, 'moov/trak/mdia/mdhd', 12, () => 45_000)),
  ],
  [
    'tfdt-continuous',
    'a gap in decode times',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => moveTime(b, 9000)),
  ],
  [
    'tfdt-continuous',
    'a gap in the sound',
    (f) => setBytes(f, 'audio_und_001.m4s', (b) => moveTime(b, 1024)),
  ],
  [
    'segments-aligned',
    'a rung that starts late',
    (f) => {
      for (const name of f.keys()) {
        if (/^stream_180p_\d/.test(name)) setBytes(f, name, (b) => moveTime(b, 3000));
      }
    },
  ],
  [
    'starts-with-key',
    'a segment without a key frame at its start',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => moveKeyFlag(b, { areOthersKeys: false })),
  ],
  [
    'key-flags',
    'a key frame that is not marked',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => moveKeyFlag(b, { areOthersKeys: false })),
  ],
  [
    'keys-aligned',
    'a key frame shifted in one rung',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => moveKeyFlag(b, { areOthersKeys: true })),
  ],
  ['frames-equal', 'a frame less in one rung', (f) => setBytes(f, 'stream_180p_002.m4s', dropLastSample)],
  [
    'fragment-order',
    'fragments numbered backwards',
    (f) => setBytes(f, 'stream_180p_002.m4s', (b) => setField(b, 'moof/mfhd', 4, () => 2)),
  ],
];

const EXTRA_FAULTS: Fault[] = [
  ['iframe-ranges', 'a range one byte late', (f) => edit(f, IFRAMES, (t) => t.replace('@24', '@25'))],
  [
    'iframe-ranges',
    'a range that is too short',
    (f) => edit(f, IFRAMES, (t) => t.replace(/RANGE:(\d+)/, (_, n) => `RANGE:${n - 1}`)),
  ],
  [
    'iframe-ranges',
    'a range with more than the key frame',
    (f) => edit(f, IFRAMES, (t) => t.replace(/RANGE:(\d+)/, (_, n) => `RANGE:${Number(n) + 300}`)),
  ],
  [
    'iframe-ranges',
    'a range of a picture that is no key frame',
    (f) => setBytes(f, 'stream_180p_001.m4s', (b) => moveKeyFlag(b, { areOthersKeys: false })),
  ],
  [
    'iframe-times',
    'key frames that last too long',
    (f) => edit(f, IFRAMES, (t) => t.replace('2.000000', '3.000000')),
  ],
  [
    'iframes-only',
    'a list of key frames that does not say so',
    (f) => edit(f, IFRAMES, (t) => t.replace('#EXT-X-I-FRAMES-ONLY\n', '')),
  ],
  [
    'webvtt-syntax',
    'subtitles without their header',
    (f) => edit(f, 'subs.vtt', (t) => t.replace('WEBVTT', 'SUBTITLES')),
  ],
  [
    'webvtt-syntax',
    'a cue with a comma in its time',
    (f) => edit(f, 'subs.vtt', (t) => t.replace('00:00.500', '00:00,500')),
  ],
  [
    'webvtt-times',
    'a cue past the end',
    (f) => edit(f, 'subs.vtt', (t) => t.replace('00:04.500', '00:14.500')),
  ],
  [
    'webvtt-times',
    'a cue that ends before it begins',
    (f) => edit(f, 'subs.vtt', (t) => t.replace('00:02.000', '00:00.200')),
  ],
  ['reachable', 'a picture sheet that is not there', (f) => f.delete('thumb_000.jpg')],
  [
    'images',
    'a picture sheet of another size',
    (f) => edit(f, MPD, (t) => t.replace('width="480"', 'width="640"')),
  ],
  ['images', 'a page for a picture sheet', (f) => setBytes(f, 'thumb_000.jpg', () => Buffer.from('<html>'))],
];

describe('certifying our own bytes', () => {
  it('finds them in a sample too', async () => {
    const files = copyOf(good);
    setBytes(files, 'stream_180p_001.m4s', (bytes) => moveTime(bytes, 9000));
    expect(await failedChecks(server, files, { isDeep: false })).toContain('tfdt-continuous');
  });

  it.each([...BYTE_FAULTS, ...EXTRA_FAULTS])('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(good);
    breakIt(files);
    expect(await failedChecks(server, files)).toContain(check);
  });

  it('finds nothing in what was broken only as a copy', async () => {
    expect(await failedChecks(server, good)).toEqual([]);
  });
});
